"""A correction as a value: what a box of the labels was and what it becomes.

An `Edit` can be applied, inverted, stored and measured. Undo, redo and the live table
all live on it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.cell_index import CellIndex, IndexedLabels, labels_of
from napari_cellseg.core.errors import EditError, LabelsError
from napari_cellseg.core.labels.boxes import (
    changed_box,
    changed_counts,
    ids_outside,
    pixel_counts,
)
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.types import LABELS_DTYPE, Labels

if TYPE_CHECKING:
    from napari_cellseg.core.editing.cell_notes import CellNotes

#: Name of the edit that numbers all cells from 1: no cell goes, all that is known of a
#: cell moves to its new number.
NUMBER_ANEW = "number anew"
#: Some rows at a time: of all at once, the memory that says where takes twice as long.
WRITTEN_AT_ONCE_PX = 2**18

Source: TypeAlias = Literal["model", "edited", "hand"]
Author: TypeAlias = Literal["hand", "model"]


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """Pixels of an edit as a project keeps them, made ahead by a job.

    Attributes
    ----------
    before, after : int32 array
        Of the edit.
    data : bytes
        Both, packed.
    """

    before: Labels
    after: Labels
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """An invertible change of labels on a box.

    Attributes
    ----------
    name : str
        What was done, in the user's words, such as ``"delete cell"``.
    start : tuple of int
        Corner of the box in the labels; one number an axis of the labels.
    before, after : int32 array
        The labels in the box, both of one shape, with the axes of the labels.
    sources_before, sources_after : mapping of int to Source
        Only the ids whose source or existence changed; an id that is absent from one of
        them is no cell on that side.
    author : "hand" or "model"
        Who made the change.
    classes_before, classes_after : mapping of int to str
        Only the ids whose class changed, see `core.editing.classes`; an id that is absent from
        one of them has no class on that side.
    notes_before, notes_after : CellNotes or None
        What else of the cells changes, see `core.editing.cell_notes`; None where nothing does.
    made_at : float
        Seconds since 1970 (UTC).
    is_exchange : bool
        True if all labels are others now, as after an import into labels that are too
        large for memory was undone: the box is empty, and they are to be opened again.
    packed : Packed or None
        Where it was made ahead; it holds for these very arrays only.
    """

    name: str
    start: tuple[int, ...]
    before: Labels
    after: Labels
    sources_before: Mapping[int, Source] = field(default_factory=dict)
    sources_after: Mapping[int, Source] = field(default_factory=dict)
    author: Author = "hand"
    made_at: float = field(default_factory=time.time)
    classes_before: Mapping[int, str] = field(default_factory=dict)
    classes_after: Mapping[int, str] = field(default_factory=dict)
    notes_before: CellNotes | None = None
    notes_after: CellNotes | None = None
    is_exchange: bool = False
    packed: Packed | None = None

    def __post_init__(self) -> None:
        before, after = self.before, self.after
        if before.shape != after.shape or before.ndim != len(self.start):
            raise LabelsError(
                f"An edit of '{self.name}' has boxes of shape {before.shape} and "
                f"{after.shape} at {self.start}; one shape with as many axes is needed."
            )
        if before.dtype != LABELS_DTYPE or after.dtype != LABELS_DTYPE:
            raise LabelsError(
                f"An edit holds int32; {before.dtype} and {after.dtype} were given."
            )

    @property
    def box(self) -> tuple[slice, ...]:
        """The part of the labels that the edit covers."""
        return _box_at(self.start, self.before.shape)

    @property
    def changed_ids(self) -> tuple[int, ...]:
        """The ids that win or lose pixels, in rising order; without 0."""
        lost, won = changed_counts(self.before, self.after)
        return tuple(sorted(lost.keys() | won.keys()))

    @property
    def n_bytes(self) -> int:
        """Bytes that the two arrays take."""
        return int(self.before.nbytes + self.after.nbytes)

    def inverted(self) -> Edit:
        """Return the edit that takes this one back."""
        return replace(
            self,
            before=self.after,
            after=self.before,
            sources_before=self.sources_after,
            sources_after=self.sources_before,
            classes_before=self.classes_after,
            classes_after=self.classes_before,
            notes_before=self.notes_after,
            notes_after=self.notes_before,
            packed=None,
        )


def apply_edit(labels: Labels, edit: Edit) -> None:
    """Write an edit into labels, in place; only the pixels that it changes are written.

    Parameters
    ----------
    labels : int32 array
        2-D to 4-D; the array that the edit was made for. `LabelsOnDisk` as well.
    edit : Edit
        What to write.

    Raises
    ------
    EditError
        If the box does not lie in the labels.
    """
    ends = [part.stop for part in edit.box]
    fits = len(edit.start) == labels.ndim and all(
        low >= 0 and end <= size
        for low, end, size in zip(edit.start, ends, labels.shape, strict=True)
    )
    if not fits:
        raise EditError(
            f"'{edit.name}' covers {edit.start} to {tuple(ends)}, but the labels have "
            f"the shape {labels.shape}. It was made for other labels; choose those."
        )
    part = labels[edit.box]
    n_rows = max(1, len(part) * WRITTEN_AT_ONCE_PX // max(part.size, 1))
    for low in range(0, len(part), n_rows):
        rows = slice(low, low + n_rows)
        before, after = edit.before[rows], edit.after[rows]
        np.copyto(part[rows], after, where=before != after)
    if is_on_disk(labels):
        labels[edit.box] = part


def updated_sources(sources: Mapping[int, Source], edit: Edit) -> dict[int, Source]:
    """Return the sources of all cells after an edit."""
    updated = dict(sources)
    update_sources(updated, edit)
    return updated


def with_sources(
    edit: Edit, before: Mapping[int, Source], after: Mapping[int, Source]
) -> Edit:
    """Return an edit that turns the sources of **all** cells from one into the other."""
    changed = {
        cell
        for cell in before.keys() | after.keys()
        if before.get(cell) != after.get(cell)
    }
    return replace(
        edit,
        sources_before={cell: before[cell] for cell in before if cell in changed},
        sources_after={cell: after[cell] for cell in after if cell in changed},
    )


def update_sources(sources: dict[int, Source], edit: Edit) -> None:
    """Bring the sources of all cells up to an edit, in place."""
    for cell in edit.sources_before.keys() - edit.sources_after.keys():
        sources.pop(cell, None)
    sources.update(edit.sources_after)


def is_empty(edit: Edit) -> bool:
    """Return True if an edit changes nothing."""
    return math.prod(edit.before.shape) == 0


def unchanged_pixel(labels: Labels, name: str, place: tuple[int, ...]) -> Edit:
    """Return an edit of one pixel, which it leaves as it is: it holds what else changes."""
    pixel = labels[tuple(slice(at, at + 1) for at in place)].copy()
    return Edit(name=name, start=place, before=pixel, after=pixel)


def edit_on_labels(
    indexed: IndexedLabels,
    after: NDArray[Any],
    start: tuple[int, ...],
    name: str,
    sources: Mapping[int, Source],
    author: Author = "hand",
) -> Edit:
    """Return the edit that would write the crop `after` into labels at `start`.

    The box is trimmed to the pixels that differ; a crop that changes nothing gives an edit
    that `is_empty`. Sources follow: an id that was nowhere becomes ``"hand"``; a
    ``"model"`` cell whose pixels change and that survives becomes ``"edited"``; an id that
    is gone has no source any more. With ``author="model"`` every cell that changes becomes
    ``"model"``.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        All labels, before the change; not changed.
    after : int array
        What the crop at `start` is to become; copied. It may hold a part of a cell only: an
        id that vanishes from it is looked for in the rest of the labels.
    start : tuple of int
        Corner of the crop in the labels.
    name : str
        What was done.
    sources : mapping of int to Source
        The sources of **all** cells of the labels. A cell in the crop that it does not know
        counts as ``"model"``.
    author : "hand" or "model"
        Who did it.

    Raises
    ------
    LabelsError
        If the crop does not lie in the labels.
    """
    box = _box_at(start, after.shape)
    before = labels_of(indexed)[box]
    edit = replace(_trimmed(before, after, start, name), author=author)
    return _with_sources(edit, after, sources, (indexed, box))


def _box_at(start: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box of a shape at a corner."""
    # A corner with too few or too many axes is refused by `_trimmed`, in words.
    return tuple(slice(low, low + n) for low, n in zip(start, shape, strict=False))


def _trimmed(
    before: NDArray[Any], after: NDArray[Any], start: tuple[int, ...], name: str
) -> Edit:
    """Return an edit without sources, on the smallest box that holds the change."""
    if before.shape != after.shape or before.ndim != len(start):
        raise LabelsError(
            f"'{name}' compares labels of shape {before.shape} with {after.shape} at "
            f"{start}; one shape with as many axes is needed."
        )
    part = changed_box(before, after)
    return Edit(
        name=name,
        start=tuple(low + cut.start for low, cut in zip(start, part, strict=True)),
        before=before[part].astype(LABELS_DTYPE),
        after=after[part].astype(LABELS_DTYPE),
    )


def _with_sources(
    edit: Edit,
    after: NDArray[Any],
    sources: Mapping[int, Source],
    whole: tuple[IndexedLabels, tuple[slice, ...]],
) -> Edit:
    """Return the edit with the sources of the ids that change; `after` is the crop."""
    lost, gained = changed_counts(edit.before, edit.after)
    alive = _alive(lost, gained, after, whole)
    there = set(lost)
    if any(cell not in sources for cell in gained):
        there |= pixel_counts(edit.before).keys()
    old: dict[int, Source] = {}
    new: dict[int, Source] = {}
    for cell in sorted(lost.keys() | gained.keys()):
        was = sources.get(cell, "model" if cell in there else None)
        becomes = _source_after(was, edit.author) if cell in alive else None
        if was == becomes:
            continue
        if was is not None:
            old[cell] = was
        if becomes is not None:
            new[cell] = becomes
    return replace(edit, sources_before=old, sources_after=new)


def _alive(
    lost: Mapping[int, int],
    gained: Mapping[int, int],
    after: NDArray[Any],
    whole: tuple[IndexedLabels, tuple[slice, ...]],
) -> set[int]:
    """Return the cells that change and are there afterwards; `after` is the crop."""
    indexed, box = whole
    changed = lost.keys() | gained.keys()
    if isinstance(indexed, CellIndex) and not is_on_disk(indexed.labels):
        return gained.keys() | _outlasting(indexed, lost, changed)
    alive = changed & pixel_counts(after).keys()
    vanished = lost.keys() - alive
    if not vanished:
        return alive
    if isinstance(indexed, CellIndex):
        # Where another program wrote into the file, the index knows its cells already.
        return alive | _outlasting(indexed, lost, vanished)
    return alive | ids_outside(indexed, box, vanished)


def _outlasting(
    index: CellIndex, lost: Mapping[int, int], ids: Iterable[int]
) -> set[int]:
    """Return those of some cells that have more pixels than they lose."""
    n_pixels = index.pixels_of(ids)
    return {cell for cell, n in n_pixels.items() if n > lost.get(cell, 0)}


def _source_after(was: Source | None, author: Author) -> Source:
    """Return the source of a cell that has changed and is still there."""
    if author == "model":
        return "model"
    if was is None:
        return "hand"
    return "edited" if was == "model" else was


def known_sources(
    labels: Labels, sources: Mapping[int, Source] | None = None
) -> dict[int, Source]:
    """Return the source of every cell; one that is not known is "model"."""
    known = sources or {}
    return {cell: known.get(cell, "model") for cell in pixel_counts(labels)}
