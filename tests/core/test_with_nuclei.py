"""Cells of two channels: bodies told apart by their nuclei."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.with_nuclei import (
    cells_with_nuclei,
    segment_with_nuclei,
)
from napari_cellseg.core.types import CellImage, Labels, SegmentationResult


def both(cells: Labels, nuclei: Labels) -> tuple[Labels, list[float]]:
    """Return what becomes of cells that are 0.8 and nuclei that are 0.6 sure."""
    labels, confidence = cells_with_nuclei(
        (cells, np.full(cells.max(initial=0), 0.8, np.float32)),
        (nuclei, np.full(nuclei.max(initial=0), 0.6, np.float32)),
    )
    return labels, [round(float(each), 2) for each in confidence]


def plane() -> Labels:
    return np.zeros((20, 40), np.int32)


def test_a_body_with_two_nuclei_becomes_two_cells_that_fill_it() -> None:
    cells, nuclei = plane(), plane()
    cells[2:18, 2:38] = 1
    nuclei[8:12, 6:10], nuclei[8:12, 30:34] = 1, 2

    labels, confidence = both(cells, nuclei)

    assert ((labels > 0) == (cells > 0)).all()
    assert labels[10, 8] != labels[10, 32]
    assert abs(int((labels == 1).sum()) - int((labels == 2).sum())) < 100
    assert confidence == [0.8, 0.6]


def test_a_nucleus_without_a_body_is_a_cell_and_a_body_without_a_nucleus_stays() -> (
    None
):
    cells, nuclei = plane(), plane()
    cells[2:10, 2:10] = 1
    nuclei[12:16, 30:34] = 1

    labels, confidence = both(cells, nuclei)

    assert (labels[2:10, 2:10] == 1).all()
    assert (labels[12:16, 30:34] == 2).all()
    assert confidence == [0.8, 0.6]


def test_what_sticks_out_of_a_body_is_taken_in_but_never_from_a_neighbour() -> None:
    cells, nuclei = plane(), plane()
    cells[4:12, 4:12], cells[4:12, 12:20] = 1, 2
    nuclei[2:8, 8:13] = 1

    labels, _ = both(cells, nuclei)

    assert (labels[2:4, 8:13] == 1).all()
    assert (labels[4:12, 12:20] == 2).all()


def test_a_scrap_beside_a_nucleus_does_not_split_the_cell() -> None:
    cells, nuclei = plane(), plane()
    cells[2:18, 2:38] = 1
    nuclei[6:14, 6:14], nuclei[8:10, 30:32] = 1, 2

    assert both(cells, nuclei)[0].max() == 1


def test_cells_of_a_stack_are_split_through_its_planes() -> None:
    cells, nuclei = np.zeros((2, 3, 20, 40), np.int32)
    cells[:, 2:18, 2:38] = 1
    nuclei[1, 8:12, 6:10], nuclei[1, 8:12, 30:34] = 1, 2

    labels, _ = both(cells, nuclei)

    assert (labels[:, 10, 6] == 1).all()
    assert (labels[:, 10, 34] == 2).all()


@given(seed=st.integers(0, 10_000))
def test_nothing_of_a_cell_is_lost_and_ids_run_from_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 5, (2, 5, 6)).astype(np.int32)
    cells, nuclei = (
        np.searchsorted(np.unique(np.append(0, each)), each).astype(np.int32)
        for each in np.kron(blocks, np.ones((1, 3, 3), np.int32))
    )

    labels, confidence = both(cells, nuclei)

    assert ((labels > 0) == ((cells > 0) | (nuclei > 0))).all()
    assert labels.max(initial=0) <= len(confidence)
    kept = np.unique(labels[labels > 0])
    assert np.array_equal(kept, np.arange(1, len(kept) + 1))
    assert len(kept) == len(confidence)


class TwoChannels:
    """Sees one long body in channel 1, and two nuclei in channel 0."""

    spec = ModelSpec("two", "two", "", "", (), 30.0, weights_sha256="")
    device = "nowhere"

    def __init__(self) -> None:
        self.asked: list[SegmentOptions] = []

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        self.asked.append(options)
        labels = plane()
        if options.channel == 1:
            labels[2:18, 2:38] = 1
        else:
            labels[8:12, 6:10], labels[8:12, 30:34] = 1, 2
        sure = np.full(labels.max(), 0.9, np.float32)
        return SegmentationResult(labels, sure, "two", "", options, "nowhere", 1.0)
        yield

    def close(self) -> None:
        pass


def test_each_channel_is_segmented_and_the_diameter_is_that_of_the_cells() -> None:
    segmenter = TwoChannels()
    image = CellImage(np.zeros((2, 20, 40), np.uint8), "CYX")
    options = SegmentOptions(channel=1, nuclei_channel=0, diameter_px=30.0)

    result = run(segment_with_nuclei(segmenter, image, options))

    assert [(each.channel, each.diameter_px) for each in segmenter.asked] == [
        (1, 30.0),
        (0, None),
    ]
    assert result.n_cells == 2
    assert result.options == options
    assert result.seconds == 2.0


@pytest.mark.parametrize("channel", [None, 0])
def test_one_channel_cannot_be_both(channel: int | None) -> None:
    image = CellImage(np.zeros((2, 20, 40), np.uint8), "CYX")
    options = SegmentOptions(channel=channel, nuclei_channel=0)

    with pytest.raises(OptionsError, match="another for the nuclei"):
        run(segment_with_nuclei(TwoChannels(), image, options))
