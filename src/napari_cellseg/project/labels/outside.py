"""Changes that another program made in the labels of a project, as steps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.edits import Edit, Source, edit_on_labels, is_empty
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.labels.boxes import Box, start_of, union_of
from napari_cellseg.core.types import Labels
from napari_cellseg.project.labels.known_chunks import FormerChunk

#: What undo says of them.
CHANGED_OUTSIDE = "change by another program"
#: Chunks in a box of more pixels are a step each.
MAX_STEP_PX = 2**26


def outside_edits(
    indexed: tuple[Labels, CellIndex | None],
    sources: Mapping[int, Source],
    array: Any,
    former: Sequence[FormerChunk],
) -> list[Edit]:
    """Return the edits that make of the labels what another program wrote.

    Parameters
    ----------
    indexed : (labels, index)
        As they are here, without what was changed; the index where there is one.
    sources : mapping of int to Source
        Of all cells.
    array : array
        What lies on the disk.
    former : sequence of FormerChunk
        Each chunk that was changed, before.

    Raises
    ------
    ProjectError
        If the other program wrote what are no cells.
    """
    boxes = [_box_of(one) for one in former]
    if not boxes:
        return []
    groups = [list(zip(former, boxes, strict=True))]
    whole = union_of(boxes)
    if math.prod(part.stop - part.start for part in whole) > MAX_STEP_PX:
        groups = [[pair] for pair in groups[0]]
    found = [_edit(indexed, sources, array, group) for group in groups]
    return [edit for edit in found if not is_empty(edit)]


def _edit(
    indexed: tuple[Labels, CellIndex | None],
    sources: Mapping[int, Source],
    array: Any,
    group: Iterable[tuple[FormerChunk, Box]],
) -> Edit:
    """Return one edit; what was changed here and there is as it is there."""
    labels, index = indexed
    chunks = list(group)
    whole = union_of(box for _, box in chunks)
    corner = start_of(whole)
    after: NDArray[np.int32] = np.array(labels[whole])
    for one, box in chunks:
        there = np.asarray(array[box])
        if there.size and there.min() < 0:
            raise ProjectError(
                f"Another program wrote numbers down to {there.min()} into the cells of "
                "this image; ids begin at 1, and 0 is background. Restore the folder "
                "labels of the project from a backup."
            )
        inner = tuple(
            slice(part.start - low, part.stop - low)
            for part, low in zip(box, corner, strict=True)
        )
        after[inner] = np.where(there != one.labels, there, after[inner])
    known = labels if index is None else index
    return edit_on_labels(known, after, corner, CHANGED_OUTSIDE, sources)


def _box_of(one: FormerChunk) -> Box:
    spans = zip(one.start, one.labels.shape, strict=True)
    return tuple(slice(low, low + n) for low, n in spans)


def put_back(labels: Labels, former: Iterable[FormerChunk], array: Any = None) -> None:
    """Write chunks into labels as they were before they were changed outside.

    With the `array` on the disk only what has come from there: chunks of labels on disk
    are read when they are needed, some of them after the change.
    """
    for one in former:
        box = _box_of(one)
        if array is None:
            labels[box] = one.labels
        else:
            labels[box] = np.where(labels[box] == array[box], one.labels, labels[box])
