"""Masks as runs: pairs of start and length, and the counts of COCO."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import LabelsError

Runs = NDArray[np.int64]


def runs_of(places: NDArray[np.int64]) -> tuple[Runs, Runs]:
    """Return starts and lengths of the runs of rising places, both (n,) int64."""
    if places.size == 0:
        empty = np.zeros(0, np.int64)
        return empty, empty
    breaks = np.flatnonzero(np.diff(places) != 1) + 1
    firsts = np.concatenate([[0], breaks])
    lengths = np.diff(np.concatenate([firsts, [places.size]]))
    return places[firsts], lengths.astype(np.int64)


def places_of(starts: Runs, lengths: Runs, n_pixels: int) -> NDArray[np.int64]:
    """Return the rising places that runs cover, each once.

    Parameters
    ----------
    starts, lengths : (n,) int64
        Counted from 0.
    n_pixels : int
        Of the image.

    Raises
    ------
    LabelsError
        If a run is shorter than a pixel or leaves the image.
    """
    if starts.size == 0:
        return np.zeros(0, np.int64)
    if starts.shape != lengths.shape or int(lengths.min()) < 1:
        raise LabelsError(
            "A cell has a run of pixels without a length of 1 or more. Export it again."
        )
    last = int((starts + np.minimum(lengths, n_pixels + 1)).max())
    if int(starts.min()) < 0 or last > n_pixels:
        raise LabelsError(
            f"A cell has pixels from {int(starts.min())} to {last}, but the image has "
            f"{n_pixels}. Look whether the sizes of images and labels agree."
        )
    # +1 where a run begins, -1 behind it, summed from the first: runs may overlap.
    low = int(starts.min())
    covered = np.zeros(last - low + 1, np.int32)
    np.add.at(covered, starts - low, 1)
    np.add.at(covered, starts + lengths - low, -1)
    return np.flatnonzero(np.cumsum(covered)).astype(np.int64) + low


def transposed(places: NDArray[np.int64], n_rows: int, n_columns: int) -> Runs:
    """Return places counted row by row as places counted column by column, rising."""
    rows, columns = np.divmod(places, n_columns)
    return np.sort(columns * n_rows + rows)


def coco_counts(places: NDArray[np.int64], n_pixels: int) -> list[int]:
    """Return the counts of COCO: pixels outside, inside, outside... by turns."""
    starts, lengths = runs_of(places)
    bounds = np.stack([starts, starts + lengths], axis=1).ravel()
    return [int(n) for n in np.diff(np.concatenate([[0], bounds, [n_pixels]]))]


def places_of_coco(counts: Sequence[int], n_pixels: int) -> NDArray[np.int64]:
    """Return the rising places of COCO counts; raises `LabelsError` if they do not fit."""
    lengths = np.array(counts, np.int64).ravel()
    if lengths.size and not 0 <= int(lengths.min()) <= int(lengths.max()) <= n_pixels:
        raise LabelsError(
            f"A cell has a run of {int(lengths.min())} to {int(lengths.max())} pixels, "
            f"but the image has {n_pixels} pixels. Look whether the sizes agree."
        )
    if int(lengths.sum()) != n_pixels:
        raise LabelsError(
            f"The runs of a cell have {int(lengths.sum())} pixels in all, but the image "
            f"has {n_pixels}. Look whether the sizes of images and labels agree."
        )
    starts = np.cumsum(lengths) - lengths
    inside = (np.arange(lengths.size) % 2 == 1) & (lengths > 0)
    return places_of(starts[inside], lengths[inside], n_pixels)


def packed_counts(counts: Sequence[int]) -> str:
    """Return counts as the text that COCO tools write (6 bits a letter, differences)."""
    letters = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            bits = value & 0x1F
            value >>= 5
            is_last = value == (-1 if bits & 0x10 else 0)
            letters.append(chr(48 + (bits if is_last else bits | 0x20)))
            if is_last:
                break
    return "".join(letters)


def unpacked_counts(text: str) -> list[int]:
    """Return the counts of a text of COCO tools; raises `LabelsError` if it is none."""
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 50:
            raise LabelsError(
                f"A cell has the sign {letter!r} in its runs, which COCO does not use. "
                "Export the cells again."
            )
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise LabelsError("The runs of a cell are cut short. Export the cells again.")
    return counts
