"""The engine in this process and the one in a child give the same, and a cancel is real."""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.core.errors import ImageError, ModelError, SegmentationError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import decode_result
from napari_cellseg.core.types import CellImage
from napari_cellseg.nn.inference.local import LocalSegmenter
from napari_cellseg.nn.process.child import ChildSegmenter


@pytest.fixture(scope="module")
def local() -> LocalSegmenter:
    return LocalSegmenter(device="cpu")


@pytest.fixture(scope="module")
def child() -> Iterator[ChildSegmenter]:
    segmenter = ChildSegmenter(device="cpu")
    yield segmenter
    segmenter.close()


@pytest.mark.parametrize("preset", ["fast", "default", "accurate"])
def test_both_engines_give_the_same_labels(
    local: LocalSegmenter, child: ChildSegmenter, nuclei: CellImage, preset: str
) -> None:
    options = SegmentOptions(preset=preset, keep_maps=True)
    here, there = (
        run(local.segment(nuclei, options)),
        run(child.segment(nuclei, options)),
    )
    assert here.n_cells > 3
    np.testing.assert_array_equal(here.labels, there.labels)
    np.testing.assert_array_equal(here.confidence, there.confidence)
    np.testing.assert_array_equal(here.maps[0].maps, there.maps[0].maps)
    assert here.model_digest == there.model_digest
    assert here.options == there.options


def test_planes_are_segmented_one_by_one(
    local: LocalSegmenter, nuclei: CellImage
) -> None:
    plane = nuclei.plane()
    stack = CellImage(np.stack([plane, np.zeros_like(plane), plane], axis=1), "CZYX")
    steps: list[Progress] = []
    options = SegmentOptions(join_planes=False)
    result = run(local.segment(stack, options), steps.append)
    assert result.labels.shape == stack.labels_shape
    assert not result.labels[1].any()
    assert set(np.unique(result.labels[0])) & set(np.unique(result.labels[2])) == {0}
    assert steps[-1].done == steps[-1].total == 3


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_empty_plane_does_not_settle_the_size_of_the_cells(
    local: LocalSegmenter, place: int
) -> None:
    y, x = np.mgrid[:600, :600]
    plane = np.zeros((600, 600), np.float32)
    for row, column in itertools.product((100, 300, 500), repeat=2):
        plane += 1000.0 * (np.hypot(y - row, x - column) < 60)
    planes = [plane, plane]
    planes.insert(place, np.zeros_like(plane))
    options = SegmentOptions(join_planes=False)
    stack = CellImage(np.stack(planes)[None], "CZYX")
    alone = run(local.segment(CellImage(plane[None]), options))
    result = run(local.segment(stack, options))
    assert alone.n_cells == 9
    assert result.n_cells == 18
    assert result.options.diameter_px == alone.options.diameter_px


@pytest.mark.parametrize("engine", ["local", "child"])
def test_planes_of_a_stack_are_joined_also_when_thresholds_move(
    engine: str, nuclei: CellImage, request: pytest.FixtureRequest
) -> None:
    plane = nuclei.plane()
    stack = CellImage(np.stack([plane, plane], axis=1), "CZYX")
    segmenter = request.getfixturevalue(engine)
    result = run(segmenter.segment(stack, SegmentOptions(keep_maps=True)))
    again = decode_result(result, result.options)
    parted = decode_result(result, replace(result.options, join_planes=False))
    assert result.n_cells > 3
    np.testing.assert_array_equal(result.labels[0], result.labels[1])
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.confidence, result.confidence)
    assert parted.n_cells == 2 * result.n_cells


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((1, 40, 40), np.uint8),
        np.full((1, 40, 40), 7, np.uint16),
        np.full((1, 40, 40), np.nan),
        np.zeros((1, 1, 50), np.uint8),
        np.zeros((1, 1, 1), bool),
    ],
    ids=["zero", "constant", "nan", "one row", "one pixel"],
)
def test_images_with_nothing_in_them_have_no_cells(
    local: LocalSegmenter, data: np.ndarray
) -> None:
    result = run(local.segment(CellImage(data), SegmentOptions()))
    assert result.n_cells == 0
    assert result.labels.shape == data.shape[1:]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, ">u2"])
def test_the_type_of_the_values_does_not_matter(
    local: LocalSegmenter, nuclei: CellImage, dtype: object
) -> None:
    plane = nuclei.plane() // 64
    expected = run(local.segment(CellImage(plane), SegmentOptions())).n_cells
    changed = CellImage(plane.astype(dtype))
    assert run(local.segment(changed, SegmentOptions())).n_cells == pytest.approx(
        expected, abs=1
    )


def test_several_channels_need_a_choice(
    child: ChildSegmenter, nuclei: CellImage
) -> None:
    two = CellImage(np.concatenate([nuclei.plane()] * 2))
    with pytest.raises(ImageError, match="choose the one"):
        run(child.segment(two, SegmentOptions()))
    assert run(child.segment(two, SegmentOptions(channel=1))).options.channel == 1


def test_a_cancel_ends_the_process_at_once(nuclei: CellImage) -> None:
    segmenter = ChildSegmenter(device="cpu")
    run(segmenter.warm_up())
    process = segmenter._process
    job = segmenter.segment(nuclei, SegmentOptions(preset="accurate"))
    for _ in range(3):
        next(job)
    started = time.monotonic()
    job.close()
    assert time.monotonic() - started < 2
    assert process is not None
    assert process.poll() is not None
    segmenter.close()


def test_a_killed_process_is_one_sentence_and_the_next_job_works(
    nuclei: CellImage,
) -> None:
    segmenter = ChildSegmenter(device="cpu")
    run(segmenter.warm_up())
    job = segmenter.segment(nuclei, SegmentOptions(preset="accurate"))
    next(job)
    next(job)
    assert segmenter._process is not None
    segmenter._process.kill()
    with pytest.raises(SegmentationError, match="Your work is untouched"):
        run(job)
    assert run(segmenter.segment(nuclei, SegmentOptions())).n_cells > 3
    segmenter.close()


def test_the_process_ends_with_its_viewer() -> None:
    script = (
        "from napari_cellseg.nn.process.child import ChildSegmenter\n"
        "from napari_cellseg.core.jobs import run\n"
        "s = ChildSegmenter(device='cpu'); run(s.warm_up())\n"
        "print(s._process.pid, flush=True)\n"
        "import os; os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and time.monotonic() < deadline:
        if not Path(f"/proc/{pid}/cmdline").read_bytes():
            break
        time.sleep(0.1)
    assert time.monotonic() < deadline


def test_no_torch_in_the_process_that_has_a_child() -> None:
    script = (
        "import sys\n"
        "from napari_cellseg.engines import open_segmenter\n"
        "open_segmenter(in_child=True)\n"
        "print([n for n in ('torch', 'boto3', 'dask', 'napari') if n in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_model_that_is_not_there_is_said_before_anything_starts() -> None:
    with pytest.raises(ModelError, match="no model 'nothing'"):
        ChildSegmenter("nothing")


def test_labels_are_those_that_the_kept_maps_give(
    local: LocalSegmenter, nuclei: CellImage
) -> None:
    options = SegmentOptions(keep_maps=True, min_area_px=60)
    result = run(local.segment(nuclei, options))
    again = decode_result(result, options)
    assert result.n_cells > 3
    np.testing.assert_array_equal(result.labels, again.labels)
    np.testing.assert_array_equal(result.confidence, again.confidence)
