"""What all tiles of a slide share."""

from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.slides.plan import make_plan, read_plan
from slides.part_fake import FakePartSegmenter


def test_glass_does_not_decide_what_is_dark() -> None:
    rng = np.random.default_rng(0)
    pixels = np.full((3, 3000, 3000), 240, np.uint8)
    # A ninth of the slide is tissue with values from 50 to 200.
    pixels[:, 1000:2000, 1000:2000] = rng.integers(50, 201, (3, 1000, 1000))
    image = CellImage(pixels, is_rgb=True, name="slide")

    plan = run(make_plan(image, FakePartSegmenter(), SegmentOptions()))

    assert plan.bounds[0] < 60
    assert plan.channels == (0, 1, 2)


def test_the_size_of_cells_is_looked_for_where_there_are_some() -> None:
    pixels = np.zeros((1, 3000, 3000), np.uint8)
    pixels[0, 1200:1800:20, 1200:1800:20] = 255
    image = CellImage(pixels, name="slide")
    segmenter = FakePartSegmenter(diameter_px=33.0)

    plan = run(make_plan(image, segmenter, SegmentOptions()))

    assert plan.options.diameter_px == 33.0
    assert 1 <= segmenter.n_looks <= 3


def test_a_given_size_needs_no_look() -> None:
    image = CellImage(np.zeros((1, 100, 100), np.uint8), name="slide")
    segmenter = FakePartSegmenter()

    plan = run(make_plan(image, segmenter, SegmentOptions(diameter_px=40.0)))

    # 40 px are four times what the model is best at; it sees well up to 1.8 times.
    assert plan.zoom == pytest.approx(0.45)
    assert segmenter.n_looks == 0


@pytest.mark.parametrize(
    ("diameter_px", "zoom"),
    [
        pytest.param(8.0, 1.25, id="as large as the model is best at"),
        pytest.param(5.0, 1.5, id="no larger than half as large again"),
        pytest.param(12.0, 1.0, id="large ones as they are"),
    ],
)
def test_small_nuclei_of_a_stain_are_shown_larger(
    diameter_px: float, zoom: float
) -> None:
    pixels = np.full((3, 100, 100), 240, np.uint8)
    image = CellImage(pixels, is_rgb=True, name="slide")

    plan = run(make_plan(image, FakePartSegmenter(diameter_px), SegmentOptions()))

    # The fake is best at 10 px, and comfortable with all of these.
    assert plan.zoom == pytest.approx(zoom)


def test_small_cells_of_one_channel_are_shown_as_they_are() -> None:
    image = CellImage(np.zeros((1, 100, 100), np.uint8), name="slide")

    plan = run(make_plan(image, FakePartSegmenter(5.0), SegmentOptions()))

    assert plan.zoom == 1.0


def test_a_stack_is_refused_in_words() -> None:
    stack = CellImage(np.zeros((1, 4, 50, 50), np.uint8), axes="CZYX", name="stack")

    with pytest.raises(ImageError, match="cellseg segment"):
        run(make_plan(stack, FakePartSegmenter(), SegmentOptions()))


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    image = CellImage(np.zeros((1, 100, 120), np.uint8), name="slide")
    plan = run(make_plan(image, FakePartSegmenter(), SegmentOptions()))

    plan.write(tmp_path / "plan.json", {"digest": "abc"})

    assert read_plan(tmp_path / "plan.json") == (plan, {"digest": "abc"})


def test_a_damaged_plan_is_none(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"plan": {"zoom": 1')

    assert read_plan(path) is None
