"""What is seen of cells beside their own numbers, and how it is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.review.doubt_signs import (
    NO_SIGNS,
    Signs,
    cells_cut_off,
    cells_on_seams,
    disagreements,
    neighbours_of,
    touching_shares,
)
from napari_cellseg.core.review.doubt_words import ON_SEAM, WORDS, reasons
from napari_cellseg.core.review.queue import doubt_terms, doubts
from napari_cellseg.core.types import PlaneMaps

SETTLED = SegmentOptions(
    foreground_threshold=0.5,
    seed_threshold=0.5,
    min_confidence=0.0,
    decoder="watershed",
)


def plane() -> np.ndarray:
    """Return a 4 × 4 cell beside an 8 × 4 one, and one alone."""
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 2:6] = 1
    labels[2:6, 6:14] = 2
    labels[12:16, 20:24] = 7
    return labels


def as_ndim(labels: np.ndarray, ndim: int) -> np.ndarray:
    """Return labels on the middle one of three planes, or as they are."""
    if ndim == 2:
        return labels
    stack = np.zeros((3, *labels.shape), np.int32)
    stack[1] = labels
    return stack


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("factor", [1, 2**26], ids=["small ids", "large ids"])
def test_the_share_of_an_outline_that_lies_on_others(ndim: int, factor: int) -> None:
    shares = touching_shares(as_ndim(plane() * factor, ndim))
    # A 4 × 4 cell has 12 pixels of outline, an 8 × 4 one 20; 4 of each touch.
    wanted = {1 * factor: 4 / 12, 2 * factor: 4 / 20, 7 * factor: 0.0}
    assert shares == pytest.approx(wanted)


def test_the_edge_of_the_image_is_no_outline() -> None:
    labels = np.ones((5, 5), np.int32)
    labels[:, 3:] = 2
    assert touching_shares(labels) == {1: 1.0, 2: 1.0}


@pytest.mark.parametrize("ndim", [2, 3])
def test_neighbours_are_those_that_share_an_edge(ndim: int) -> None:
    labels = plane()
    labels[6, 14] = 9  # a corner only
    index = CellIndex(as_ndim(labels, ndim))
    assert neighbours_of(index, 1) == [2]
    assert neighbours_of(index, 2) == [1]
    assert neighbours_of(index, 7) == neighbours_of(index, 55) == []


def disc_maps(shape: tuple[int, int], centres: list[tuple[int, int]]) -> PlaneMaps:
    """Return maps of discs of radius 8: both decoders find each of them."""
    maps = np.zeros((5, *shape), np.uint8)
    maps[3:] = 127
    for y, x in centres:
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        far = np.hypot(rows - y, columns - x)
        inside = far < 8
        maps[0][inside] = 255
        maps[1][inside] = (255 * (1 - far[inside] / 8)).astype(np.uint8)
        for axis, offset in ((3, y - rows), (4, x - columns)):
            flow = np.broadcast_to(offset / np.maximum(far, 1), shape)
            maps[axis][inside] = np.clip(127.5 + 127.5 * flow[inside], 0, 255)
    return PlaneMaps(maps, shape)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_other_decoder_disagrees_with_a_cell_that_it_does_not_find(
    ndim: int,
) -> None:
    maps = disc_maps((40, 60), [(12, 12), (12, 44)])
    rows, columns = np.ogrid[:40, :60]
    labels = np.zeros((40, 60), np.int32)
    labels[np.hypot(rows - 12, columns - 12) < 8] = 3
    labels[np.hypot(rows - 12, columns - 44) < 8] = 4
    labels[12:20, 36:53] = 5  # cuts cell 4 in two
    labels[30:38, 10:20] = 6  # nothing is there
    shown = as_ndim(labels, ndim)
    empty = PlaneMaps(np.zeros_like(maps.maps), (40, 60))
    seen = (maps,) if ndim == 2 else (empty, maps, empty)
    found = disagreements(shown, seen, SETTLED)
    assert found[3] < 0.1
    assert 0.3 < found[4] < 0.7
    assert found[6] == 1.0


def test_cells_across_the_line_between_two_tiles_are_on_a_seam() -> None:
    # 1400 pixels are seen as two tiles of 896 and 504: the plane is shown at half of it.
    maps = np.zeros((5, 1400, 1400), np.uint8)
    labels = np.zeros((700, 700), np.int32)
    labels[440:452, 10:20] = 1
    labels[448:460, 30:40] = 2  # begins at the line
    labels[100:110, 444:450] = 3
    assert cells_on_seams(labels, (PlaneMaps(maps, (700, 700)),)) == {1, 3}
    small = PlaneMaps(maps[:, :700, :700], (700, 700))
    assert cells_on_seams(labels, (small,)) == frozenset()


@pytest.mark.parametrize("ndim", [2, 3])
def test_cells_that_end_with_the_region_are_cut_off(ndim: int) -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[10:14, 15:20] = 1  # ends at the top of the region
    labels[5:14, 22:26] = 2  # was there before, and goes on outside
    labels[20:24, 20:24] = 3
    labels[34:40, 33:40] = 4  # ends at the corner of the image
    labels[20:25, 36:40] = 5  # ends at the edge of the image
    box = (10, 10, 40, 40)
    place = () if ndim == 2 else (1,)
    assert cells_cut_off(as_ndim(labels, ndim), place, box) == {1}


def test_later_signs_add_to_earlier_ones() -> None:
    first = Signs({1: 0.5}, {1: 0.2}, frozenset({1}))
    both = first.updated(Signs({2: 0.1}, {1: 0.4}, frozenset({2}), frozenset({3})))
    assert both.touching == {1: 0.5, 2: 0.1}
    assert both.disagreement == {1: 0.4}
    assert both.cut_off == {1, 2}
    assert both.on_seam == {3}


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {"label": [1, 2, 3], "area_px": [100.0, 100, 100], "solidity": [0.95] * 3}
    )


@pytest.mark.parametrize(
    "signs",
    [
        Signs(touching={2: 0.5}),
        Signs(disagreement={2: 0.6}),
        Signs(cut_off=frozenset({2})),
    ],
    ids=["touching", "disagreeing", "cut off"],
)
def test_each_sign_puts_a_cell_first(signs: Signs) -> None:
    sure = dict.fromkeys((1, 2, 3), 0.8)
    usual, seen = doubts(rows(), sure), doubts(rows(), sure, signs)
    assert list(usual.index) == [1, 2, 3]
    assert list(seen.index) == [2, 1, 3]
    assert seen.loc[1] == pytest.approx(usual.loc[1])


def test_reasons_are_told_by_their_weight_and_neighbours_after_them() -> None:
    signs = Signs({2: 0.9}, {2: 0.4}, frozenset({2}))
    terms = doubt_terms(rows(), {2: 0.5}, signs).loc[2].to_dict()
    assert reasons(terms, 3, is_on_seam=True) == [
        WORDS["cut_off"], WORDS["disagreeing"], "touches 3 others",
    ]  # fmt: skip
    alone = doubt_terms(rows(), {2: 0.9}).loc[2].to_dict()
    assert reasons(alone, 1, is_on_seam=True) == ["touches 1 other", ON_SEAM]


def test_a_usual_cell_has_no_reason_but_its_seam() -> None:
    terms = (
        doubt_terms(rows(), dict.fromkeys((1, 2, 3), 0.9), NO_SIGNS).loc[1].to_dict()
    )
    assert reasons(terms, 0, is_on_seam=False) == []
    assert reasons(terms, 0, is_on_seam=True) == [ON_SEAM]


def test_every_other_term_has_its_words() -> None:
    assert {*WORDS, "touching"} == set(doubt_terms(rows(), {}).columns)
