"""Whole cells from two channels: one shows the cells, the other their nuclei.

Each channel is segmented on its own, by any engine; here the two are put together. Bodies
that run into each other are told apart by their nuclei, and a nucleus whose body is too
faint still counts as a cell.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.segmentation import watershed

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, Labels, SegmentationResult

#: A nucleus is of the cell that holds at least this share of it.
OWN_SHARE = 0.5
#: Smaller pieces than this share of a cell's largest nucleus do not split it.
LEAST_NUCLEUS = 0.3


def segment_with_nuclei(
    segmenter: Segmenter, image: CellImage, options: SegmentOptions
) -> Job[SegmentationResult]:
    """Segment cells and nuclei, and return the cells that both channels tell of.

    Parameters
    ----------
    segmenter : Segmenter
        Runs twice; its model must know cells and nuclei.
    image : CellImage
        With a channel of the cells and one of the nuclei.
    options : SegmentOptions
        With `channel` and `nuclei_channel`; the diameter is the cells'.

    Raises
    ------
    OptionsError
        If the two channels are not two.
    """
    check_two_channels(options)
    # Thresholds cannot be moved live: what is kept of one channel does not know the other.
    alone = replace(options, nuclei_channel=None, keep_maps=False)
    cells = yield from segmenter.segment(image, alone)
    of_nuclei = replace(alone, channel=options.nuclei_channel, diameter_px=None)
    nuclei = yield from segmenter.segment(image, of_nuclei)
    labels, confidence = cells_with_nuclei(
        (cells.labels, cells.confidence), (nuclei.labels, nuclei.confidence)
    )
    return replace(
        cells,
        labels=labels,
        confidence=confidence,
        options=replace(cells.options, nuclei_channel=options.nuclei_channel),
        seconds=cells.seconds + nuclei.seconds,
    )


def check_two_channels(options: SegmentOptions) -> None:
    """Raise `OptionsError` if the cells and their nuclei are not on a channel each."""
    if options.channel is None or options.channel == options.nuclei_channel:
        cells = "not given" if options.channel is None else options.channel
        raise OptionsError(
            f"The channel of the nuclei is {options.nuclei_channel}, that of the cells "
            f"{cells}; choose one for the cells and another for the nuclei."
        )


def cells_with_nuclei(
    cells: tuple[Labels, NDArray[np.float32]],
    nuclei: tuple[Labels, NDArray[np.float32]],
) -> tuple[Labels, NDArray[np.float32]]:
    """Return cells, split where they hold several nuclei, and those without a body.

    Parameters
    ----------
    cells, nuclei : (labels, confidence)
        Labels of one shape, (Y, X) or with planes before, with ids from 1 to n, and n
        confidences.

    Returns
    -------
    labels, confidence
        Ids from 1 to n. A cell that was split, or is known by its nucleus only, is as
        sure as the less sure of what it is made of. Cells without a nucleus stay.
    """
    labels, sureness = cells[0].copy(), list(map(float, cells[1]))
    owners = _owners(cells[0], nuclei[0])
    places = ndimage.find_objects(nuclei[0])
    sizes = np.bincount(nuclei[0].reshape(-1), minlength=len(owners) + 1)
    held: dict[int, list[int]] = {}
    for nucleus, owner in enumerate(owners, start=1):
        if owner:
            held.setdefault(owner, []).append(nucleus)
        where = places[nucleus - 1]
        is_free = (nuclei[0][where] == nucleus) & (labels[where] == 0)
        if not owner and is_free.any():
            sureness.append(float(nuclei[1][nucleus - 1]))
        # What sticks out of a cell is of the cell: it holds its nucleus.
        labels[where][is_free] = owner or len(sureness)
    boxes = ndimage.find_objects(labels)
    for owner, inside in held.items():
        largest = max(sizes[inside])
        seeds = [each for each in inside if sizes[each] >= LEAST_NUCLEUS * largest]
        if len(seeds) > 1:
            where = boxes[owner - 1]
            parts = _split(labels[where] == owner, nuclei[0][where], seeds)
            for part, nucleus in enumerate(seeds[1:], start=2):
                sure = min(cells[1][owner - 1], nuclei[1][nucleus - 1])
                sureness.append(float(sure))
                labels[where][parts == part] = len(sureness)
    return labels, np.asarray(sureness, np.float32)


def _owners(cells: Labels, nuclei: Labels) -> list[int]:
    """Return for each nucleus the cell that holds most of it, or 0."""
    n_nuclei = int(nuclei.max(initial=0))
    inside = nuclei > 0
    width = int(cells.max(initial=0)) + 1
    codes = nuclei[inside].astype(np.int64) * width + cells[inside]
    pairs, counts = np.unique(codes, return_counts=True)
    sizes = np.bincount(nuclei[inside], minlength=n_nuclei + 1)
    owners = [0] * n_nuclei
    for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
        nucleus, cell = divmod(pair, width)
        if cell and count >= OWN_SHARE * sizes[nucleus]:
            owners[nucleus - 1] = cell
    return owners


def _split(
    inside: NDArray[np.bool_], nuclei: Labels, seeds: list[int]
) -> NDArray[np.int32]:
    """Return which of its seeds, from 1, each pixel of a cell is nearest within the cell."""
    markers = np.zeros(inside.shape, np.int32)
    for number, nucleus in enumerate(seeds, start=1):
        markers[(nuclei == nucleus) & inside] = number
    flat = np.zeros(inside.shape, np.uint8)
    parts: NDArray[np.int32] = watershed(flat, markers, mask=inside)  # type: ignore[no-untyped-call]
    return parts
