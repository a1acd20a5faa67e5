"""Cells from elsewhere taken into labels, as one edit that can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from napari_cellseg.core.editing.checked import CheckedArea, checked_mask
from napari_cellseg.core.editing.edits import (
    Edit,
    Source,
    edit_on_labels,
    known_sources,
    with_sources,
)
from napari_cellseg.core.editing.numbering import check_free_ids
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.arrays import relabel_sequential
from napari_cellseg.core.labels.boxes import pixel_counts
from napari_cellseg.core.types import Labels

#: ``"replace"``: the labels become the cells that are imported. ``"add"``: the cells that
#: are there stay, and imported ones get what is free.
ImportMode: TypeAlias = Literal["replace", "add"]
#: An imported cell with a larger share of its pixels in cells that are there is left out.
MAX_COVERED_SHARE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class ImportedCells:
    """What is taken in.

    Attributes
    ----------
    labels : int32 array
        With the shape of the labels that they go into.
    sources : mapping of int to Source
        Who made each cell, where it is known.
    name : str
        Of the file, for the history.
    classes : mapping of int to str
        What kind each cell is, where it is known.
    """

    labels: Labels
    sources: Mapping[int, Source]
    name: str
    classes: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """An import, ready to be made.

    Attributes
    ----------
    edit : Edit
        Changes nothing if all cells are there already.
    n_cells : int
        Cells that are taken in.
    n_left_out : int
        Cells that lay on others that stay.
    classes : mapping of int to str
        What the file says of cells, by their new ids, "" for none; {} if it knows no
        classes.
    """

    edit: Edit
    n_cells: int
    n_left_out: int = 0
    classes: Mapping[int, str] = field(default_factory=dict)

    @property
    def changed_ids(self) -> set[int]:
        """The ids whose cell is another one afterwards, or gone, or new."""
        sources = self.edit.sources_before.keys() | self.edit.sources_after.keys()
        return sources | set(self.edit.changed_ids)


def import_cells(
    labels: Labels,
    sources: Mapping[int, Source],
    cells: ImportedCells,
    mode: ImportMode,
    unknown: Source,
) -> Import:
    """Return the edit that takes cells into labels.

    Parameters
    ----------
    labels : int32 array
        All labels as they are; not changed.
    sources : mapping of int to Source
        Who made each of their cells.
    cells : ImportedCells
        What is taken in.
    mode : ImportMode
        What becomes of the cells that are there.
    unknown : Source
        Who made the cells of which the file says nothing: ``"hand"`` locks them and lets
        models learn from them, so only a person can say so.

    Raises
    ------
    LabelsError
        If the shapes differ.
    EditError
        If there are not enough ids.
    """
    if cells.labels.shape != labels.shape:
        raise LabelsError(
            f"Cells of shape {cells.labels.shape} cannot go into labels of shape "
            f"{labels.shape}. Choose the file that was made of this image."
        )
    made_by: dict[int, Source] = {
        cell: cells.sources.get(cell, unknown) for cell in pixel_counts(cells.labels)
    }
    before = known_sources(labels, sources)
    if mode == "replace":
        after, new_sources, new_ids = cells.labels, made_by, {i: i for i in made_by}
    else:
        after, new_sources, new_ids = _added(labels, before, cells.labels, made_by)
    start = (0,) * labels.ndim
    # Not by hand: cells that give way must not count as deleted by a person.
    edit = edit_on_labels(
        labels, after, start, f"import {cells.name}", before, author="model"
    )
    edit = with_sources(edit, before, new_sources)
    said = {new: cells.classes.get(old, "") for old, new in new_ids.items()}
    n_left_out = len(made_by) - len(new_ids)
    return Import(edit, len(new_ids), n_left_out, said if cells.classes else {})


def untouched_areas(
    areas: Iterable[CheckedArea], edit: Edit, shape: tuple[int, ...]
) -> list[CheckedArea]:
    """Return the checked areas in which an edit changes nothing: the others are so no more."""
    if not (areas := list(areas)):
        return []
    changed = np.zeros(shape, bool)
    changed[edit.box] = edit.before != edit.after
    return [area for area in areas if not (changed & checked_mask([area], shape)).any()]


def _added(
    labels: Labels,
    sources: Mapping[int, Source],
    new: Labels,
    made_by: Mapping[int, Source],
) -> tuple[Labels, dict[int, Source], dict[int, int]]:
    """Return labels with new cells where there was none, the sources of all, and new ids."""
    sizes = pixel_counts(new)
    covered = pixel_counts(np.where(labels > 0, new, 0).astype(new.dtype))
    out = [
        cell
        for cell, n_pixels in sizes.items()
        if covered.get(cell, 0) > MAX_COVERED_SHARE * n_pixels
    ]
    kept = np.where(np.isin(new, out), 0, new).astype(new.dtype)
    numbered, new_ids = relabel_sequential(kept)
    highest = int(labels.max())
    check_free_ids(highest + 1, len(new_ids))
    shifted = np.where(numbered > 0, numbered + highest, 0).astype(labels.dtype)
    after = np.where(labels > 0, labels, shifted).astype(labels.dtype)
    ids = {cell: number + highest for cell, number in new_ids.items()}
    added = {number: made_by[cell] for cell, number in ids.items()}
    return after, {**sources, **added}, ids
