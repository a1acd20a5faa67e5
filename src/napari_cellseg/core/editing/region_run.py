"""A model run again on a region of labels that are too large for memory.

What `core.editing.rerun.merge_run` does to all labels is done to the crop that holds the region and
every cell that reaches into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from napari_cellseg.core.editing.cell_index import CellIndex, overlap
from napari_cellseg.core.editing.rerun import Footprint, Merged, Region, merge_run
from napari_cellseg.core.labels.boxes import (
    Box,
    pixel_counts,
    plane_box,
    shifted,
    start_of,
    union_of,
)
from napari_cellseg.core.types import SegmentationResult


def merge_region(
    index: CellIndex,
    result: SegmentationResult,
    region: Region,
    *,
    keep: Iterable[int] = (),
    deleted: Iterable[Footprint] = (),
) -> Merged:
    """Return the labels around a region with the cells of a run; others stay.

    Parameters
    ----------
    index : CellIndex
        Of the labels before; not changed.
    result : SegmentationResult
        Of the box of the region.
    region : Region
        What was segmented.
    keep : ids
        Cells by hand that stay.
    deleted : Footprint
        Cells deleted by hand that stay away.

    Returns
    -------
    Merged
        Of the crop that begins at its `start`.

    Raises
    ------
    LabelsError
        If the result is not of the region.
    EditError
        If the region is too large to be read, or no numbers are left.
    """
    part = _part_around(index, region)
    crop = index.labels[part]
    corner = start_of(part)
    kept = set(keep) & pixel_counts(crop).keys()
    merged = merge_run(
        crop,
        result,
        keep=kept,
        deleted=_seen_from(corner, part, deleted),
        region=_region_from(corner, region),
        last_id=index.last_id,
    )
    return replace(merged, start=corner)


def _part_around(index: CellIndex, region: Region) -> Box:
    """Return what of the region's plane holds it and the cells that reach into it."""
    inside = pixel_counts(index.labels[region.box])
    plane = plane_box(index.labels, region.plane)
    boxes = [overlap(box, plane) for box, _ in index.boxes(inside).values()]
    return union_of([region.box, *(box for box in boxes if box is not None)])


def _region_from(corner: tuple[int, ...], region: Region) -> Region:
    """Return a region as seen from a crop of its plane."""
    y, x = corner[-2:]
    top, left, bottom, right = region.box_yx_yx
    outline = region.outline_yx
    return Region(
        (top - y, left - x, bottom - y, right - x),
        (0,) * len(region.plane),
        None if outline is None else outline - np.array([y, x], float),
    )


def _seen_from(
    corner: tuple[int, ...], part: Box, deleted: Iterable[Footprint]
) -> list[Footprint]:
    """Return the footprints that reach into a crop, as seen from it."""
    return [
        replace(one, start=start_of(shifted(one.box, corner)))
        for one in deleted
        if overlap(one.box, part) is not None
    ]
