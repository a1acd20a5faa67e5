"""Corrections of tracks: each an edit of the labels, and the parents that go with it.

All take labels with time first, (T, [Z,] Y, X), and change nothing. `parents` is what
`core.tracking.tracks` describes; those of the answer replace them when the edit is made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from napari_cellseg.core.editing.cell_index import IndexedLabels, labels_of
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.editing.numbering import next_id
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import cell_boxes, start_of, union_of
from napari_cellseg.core.tracking.tracks import Detections, Lineage, Parents, relabelled
from napari_cellseg.core.types import LABELS_DTYPE, Labels

LINK_NAME = "link cells through time"


@dataclass(frozen=True, slots=True, eq=False)
class TrackEdit:
    """An edit of labels with what it means for the lineage.

    Attributes
    ----------
    edit : Edit
        Of the labels.
    parents : Parents
        After it.
    """

    edit: Edit
    parents: Parents


def link_all(
    labels: Labels,
    detections: Detections,
    lineage: Lineage,
    sources: Mapping[int, Source],
) -> TrackEdit:
    """Return the edit that gives each cell the id of its track.

    A track is by hand if all of its cells are, edited if one of them is not the model's.
    """
    after = relabelled(labels, detections, lineage)
    start = (0,) * labels.ndim
    edit = edit_on_labels(labels, after, start, LINK_NAME, sources, author="model")
    members: dict[int, set[Source]] = defaultdict(set)
    pairs = zip(detections.cells.tolist(), lineage.tracks.tolist(), strict=True)
    for cell, track in pairs:
        members[track].add(sources.get(cell, "model"))
    new = {track: _joint_source(found) for track, found in members.items()}
    changed = {c for c in sources.keys() | new.keys() if sources.get(c) != new.get(c)}
    edit = replace(
        edit,
        sources_before={c: s for c, s in sources.items() if c in changed},
        sources_after={c: s for c, s in new.items() if c in changed},
    )
    return TrackEdit(edit, dict(lineage.parents))


def _joint_source(found: set[Source]) -> Source:
    """Return the source of cells that are one."""
    return next(iter(found)) if len(found) == 1 else "edited"


def continue_track(
    indexed: IndexedLabels,
    frame: int,
    cells: tuple[int, int],
    sources: Mapping[int, Source],
    parents: Mapping[int, int],
) -> TrackEdit:
    """Return the edit that makes a cell the same as one on an earlier frame.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        Time first.
    frame : int
        On which the cell is seen; from there on it takes the earlier one's id.
    cells : (earlier, later)
        What the earlier one was from that frame on becomes a cell of its own.
    sources : mapping of int to Source
        Of all cells.
    parents : mapping of int to int
        As they are.

    Raises
    ------
    EditError
        If they are one already, or not there.
    """
    labels = labels_of(indexed)
    earlier, later = cells
    if earlier == later:
        raise EditError(f"Cell {later} is the same cell on both frames already.")
    _check_there(labels, frame, later)
    _check_before(labels, frame, earlier)
    new_ids = {later: earlier}
    if _is_in(labels[frame:], earlier):
        new_ids[earlier] = next_id(indexed)
    known = dict(parents)
    if not _is_in(labels[:frame], later):
        known.pop(later, None)
    edit = _renumbered(labels, frame, new_ids, "same cell as before", sources)
    return TrackEdit(edit, _moved_children(known, new_ids))


def cut_track(
    indexed: IndexedLabels,
    frame: int,
    cell: int,
    sources: Mapping[int, Source],
    parents: Mapping[int, int],
) -> TrackEdit:
    """Return the edit that makes a cell another one from a frame on.

    Where it begins on that frame, it loses its mother instead. See `continue_track`.
    """
    labels = labels_of(indexed)
    _check_there(labels, frame, cell)
    known = dict(parents)
    if not _is_in(labels[:frame], cell) and known.pop(cell, None) is None:
        raise EditError(
            f"Cell {cell} begins on this frame and has no mother; nothing is linked."
        )
    new_ids = {cell: next_id(indexed)}
    edit = _renumbered(labels, frame, new_ids, "cut link", sources)
    return TrackEdit(edit, _moved_children(known, new_ids))


def make_daughter(
    indexed: IndexedLabels,
    frame: int,
    cells: tuple[int, int],
    sources: Mapping[int, Source],
    parents: Mapping[int, int],
) -> TrackEdit:
    """Return the edit that makes a cell, from a frame on, the daughter of an earlier one.

    Where the mother goes on, what it is from that frame on becomes its other daughter.
    `cells` is (mother, daughter); the rest is as in `continue_track`.
    """
    labels = labels_of(indexed)
    mother, daughter = cells
    _check_there(labels, frame, daughter)
    _check_before(labels, frame, mother)
    first = next_id(indexed)
    new_ids = {daughter: first}
    if mother != daughter and _is_in(labels[frame:], mother):
        new_ids[mother] = first + 1
    known = {child: who for child, who in parents.items() if child != daughter}
    edit = _renumbered(labels, frame, new_ids, "daughter", sources)
    known = _moved_children(known, new_ids)
    known.update(dict.fromkeys(new_ids.values(), mother))
    return TrackEdit(edit, known)


def _check_there(labels: Labels, frame: int, cell: int) -> None:
    if cell <= 0 or not _is_in(labels[frame], cell):
        raise EditError(
            f"Cell {cell} is not on frame {frame + 1}. Click a cell of this frame first."
        )


def _check_before(labels: Labels, frame: int, cell: int) -> None:
    if cell <= 0 or not _is_in(labels[:frame], cell):
        raise EditError(
            f"Cell {cell} is on no frame before {frame + 1}. Click a cell of an earlier one."
        )


def _is_in(labels: Labels, cell: int) -> bool:
    return (
        bool(cell_boxes(labels, [cell])) if labels.ndim > 1 and labels.size else False
    )


def _renumbered(
    labels: Labels,
    frame: int,
    new_ids: Mapping[int, int],
    name: str,
    sources: Mapping[int, Source],
) -> Edit:
    """Return the edit that gives cells other ids from a frame on, all at once."""
    late = labels[frame:]
    boxes = cell_boxes(late, new_ids)
    box = union_of(part for part, _ in boxes.values())
    before = late[box]
    after = before.copy()
    for old, new in new_ids.items():
        after[before == old] = new
    start = (box[0].start + frame, *start_of(box)[1:])
    edit = edit_on_labels(labels, after.astype(LABELS_DTYPE), start, name, sources)
    # A cell of the model that gets another number was not drawn by hand.
    kept = {
        new: "edited" if sources.get(old, "model") == "model" else sources[old]
        for old, new in new_ids.items()
        if new not in sources
    }
    return replace(edit, sources_after={**edit.sources_after, **kept})


def _moved_children(parents: Mapping[int, int], new_ids: Mapping[int, int]) -> Parents:
    """Return the parents where the later part of a cell, with its daughters, is renamed."""
    return {child: new_ids.get(who, who) for child, who in parents.items()}


def joined_confidence(
    detections: Detections, tracks: Iterable[int], confidence: Mapping[int, float]
) -> dict[int, float]:
    """Return the mean confidence of the cells of each track that have one."""
    found: dict[int, list[float]] = defaultdict(list)
    for cell, track in zip(detections.cells.tolist(), tracks, strict=True):
        if cell in confidence:
            found[int(track)].append(confidence[cell])
    return {track: float(np.mean(values)) for track, values in found.items()}
