"""Many files in one run: every outcome of an image, and nothing lost."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from fakes import FakeSegmenter
from moving_cells import moving_cells, same_cells
from napari_cellseg import engines
from napari_cellseg.batch import one_image, results, segmenting
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import DiskFullError, OptionsError, SaveError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions

runner = CliRunner()


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> FakeSegmenter:
    """Return the segmenter that the command line opens instead of a network."""
    fake = FakeSegmenter()
    monkeypatch.setattr(engines, "open_segmenter", lambda *_, **__: fake)
    return fake


def write_cells(path: Path, n_cells: int = 2) -> Path:
    """Write an image with bright 5 x 4 squares in one row."""
    pixels = np.zeros((16, 10 * n_cells + 4), np.uint16)
    for number in range(n_cells):
        pixels[4:9, 10 * number + 3 : 10 * number + 7] = 1000
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels)
    return path


def segment(*arguments: object) -> Result:
    """Run ``cellseg segment``."""
    return runner.invoke(app, ["segment", *map(str, arguments)])


def summary(out: Path) -> list[dict[str, str]]:
    """Return the rows of the summary."""
    with (out / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_each_image_gets_labels_table_and_record(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    write_cells(tmp_path / "in" / "a.tif", 3)
    out = tmp_path / "out"

    result = segment(tmp_path / "in", "-o", out)

    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        "a_cells.csv",
        "a_cells.json",
        "a_labels.tif",
        "summary.csv",
    ]
    labels = tifffile.imread(out / "a_labels.tif")
    assert labels.dtype == np.uint32
    assert np.bincount(labels.ravel())[1:].tolist() == [20, 20, 20]
    (row,) = summary(out)
    assert (row["status"], row["n_cells"]) == ("done", "3")
    assert segmenter.is_closed


def test_the_record_says_where_the_numbers_come_from(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image = write_cells(tmp_path / "a.tif")

    segment(image, "-o", tmp_path / "out", "--diameter", 8)

    text = (tmp_path / "out" / "a_cells.json").read_text(encoding="utf-8")
    assert str(image) in text
    assert segmenter.spec.weights_sha256 in text
    assert "diameter_px" in json.dumps(json.loads(text))


def test_a_bad_file_becomes_a_row_and_the_run_goes_on(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    (tmp_path / "a.tif").write_bytes(b"")
    write_cells(tmp_path / "b.tif")
    out = tmp_path / "out"

    result = segment(
        tmp_path / "a.tif", tmp_path / "b.tif", tmp_path / "no.tif", "-o", out
    )

    assert result.exit_code == 1
    assert [row["status"] for row in summary(out)] == ["failed", "done", "failed"]
    assert "a.tif" in summary(out)[0]["error"]
    assert "1 done, 0 skipped, 2 failed" in result.output


def test_an_error_nobody_thought_of_is_a_row_too(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(one_image, "measure_cells", stumble)

    result = segment(write_cells(tmp_path / "a.tif"), "-o", tmp_path / "out")

    assert result.exit_code == 1
    assert "by zero" in summary(tmp_path / "out")[0]["error"]
    assert not (tmp_path / "out" / "a_labels.tif").exists()


def test_images_that_share_a_stem_do_not_share_results(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    first = write_cells(tmp_path / "p" / "a.tif", 1)
    second = write_cells(tmp_path / "q" / "a.tif", 2)
    out = tmp_path / "out"

    segment(first, second, "-o", out)

    assert tifffile.imread(out / "p_a_labels.tif").max() == 1
    assert tifffile.imread(out / "q_a_labels.tif").max() == 2


def test_two_runs_with_the_same_stem_do_not_share_results(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    segment(write_cells(tmp_path / "p" / "a.tif", 1), "-o", out)

    result = segment(write_cells(tmp_path / "q" / "a.tif", 2), "-o", out)

    assert result.exit_code == 0, result.output
    assert tifffile.imread(out / "a_labels.tif").max() == 1
    assert tifffile.imread(out / "a_2_labels.tif").max() == 2
    assert [row["n_cells"] for row in summary(out)] == ["1", "2"]


def test_results_that_are_there_are_not_replaced(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)
    before = (out / "a_labels.tif").stat().st_mtime_ns

    result = segment(image, "-o", out)

    assert result.exit_code == 1
    assert "--skip-existing" in str(result.exception)
    assert (out / "a_labels.tif").stat().st_mtime_ns == before
    assert segmenter.n_runs == 1


def test_labels_of_somebody_else_survive_a_resumed_run(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    out.mkdir()
    (out / "a_labels.tif").write_bytes(b"drawn by hand")

    result = segment(image, "-o", out, "--skip-existing")

    assert result.exit_code == 1
    assert (out / "a_labels.tif").read_bytes() == b"drawn by hand"


def test_skip_existing_does_only_what_is_missing(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    images = [write_cells(tmp_path / f"{name}.tif") for name in "abc"]
    segment(*images, "-o", out)
    (out / "b_labels.tif").unlink()
    segmenter.n_runs = 0

    result = segment(*images, "-o", out, "--skip-existing")

    assert result.exit_code == 0, result.output
    assert segmenter.n_runs == 1
    assert [row["status"] for row in summary(out)] == ["skipped", "done", "skipped"]
    assert [row["n_cells"] for row in summary(out)] == ["2", "2", "2"]


def test_skip_existing_does_not_mix_results_of_other_options(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)

    result = segment(image, "-o", out, "--skip-existing", "--diameter", 9)

    assert result.exit_code == 1
    assert "diameter_px = None instead of 9" in summary(out)[0]["error"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--pixel-size", 0.5], "pixel_size_um = None instead of 0.5"),
        (["--axes", "YX"], "axes = None instead of YX"),
        (["--z-step", 2], "z_step_um = None instead of 2"),
        (["--track"], "track = False instead of True"),
    ],
)
def test_skip_existing_does_not_mix_results_that_were_read_differently(
    segmenter: FakeSegmenter, tmp_path: Path, flags: list[object], words: str
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)

    result = segment(image, "-o", out, "--skip-existing", *flags)

    assert result.exit_code == 1
    assert words in summary(out)[0]["error"]


def test_skip_existing_sees_that_the_image_has_changed(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif", 2), tmp_path / "out"
    segment(image, "-o", out)
    write_cells(image, 3)

    result = segment(image, "-o", out, "--skip-existing")

    assert result.exit_code == 1
    assert "changed" in summary(out)[0]["error"]


@pytest.mark.parametrize("broken", ["write_labels", "write_cells_csv"])
def test_what_a_failed_overwrite_leaves_is_not_finished(
    segmenter: FakeSegmenter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise SaveError("The disk is full.")

    image, out = write_cells(tmp_path / "a.tif", 2), tmp_path / "out"
    segment(image, "-o", out)
    write_cells(image, 3)
    with monkeypatch.context() as patch:
        patch.setattr(results, broken, fail)
        segment(image, "-o", out, "--overwrite")

    result = segment(image, "-o", out, "--skip-existing")

    assert result.exit_code == 0, result.output
    assert summary(out)[0]["status"] == "done"
    assert tifffile.imread(out / "a_labels.tif").max() == 3
    assert json.loads((out / "a_cells.json").read_text())["summary"]["n_cells"] == 3


def test_an_image_keeps_its_name_when_others_of_that_name_come(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    first = write_cells(tmp_path / "p" / "x.tif", 1)
    second = write_cells(tmp_path / "q" / "x.tif", 2)
    out = tmp_path / "out"
    segment(first, "-o", out)

    segment(first, second, "-o", out, "--skip-existing")

    assert [(row["name"], row["status"]) for row in summary(out)] == [
        ("x", "skipped"),
        ("q_x", "done"),
    ]


def test_measured_results_are_still_those_of_their_image(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cells(Path("w/a.tif"))
    segment("w", "-o", "r")

    words = ["measure", "r/a_labels.tif", "--image", "w/a.tif", "--overwrite"]
    measured = runner.invoke(app, words)
    result = segment("w", "-o", "r", "--skip-existing")

    assert measured.exit_code == 0, measured.output
    assert result.exit_code == 0, result.output
    assert [row["status"] for row in summary(Path("r"))] == ["skipped"]
    assert len(list(Path("r").glob("*_labels.tif"))) == 1


def test_overwrite_replaces(segmenter: FakeSegmenter, tmp_path: Path) -> None:
    image, out = write_cells(tmp_path / "a.tif", 1), tmp_path / "out"
    segment(image, "-o", out)
    write_cells(tmp_path / "a.tif", 3)

    result = segment(image, "-o", out, "--overwrite")

    assert result.exit_code == 0, result.output
    assert tifffile.imread(out / "a_labels.tif").max() == 3


def test_an_image_has_one_row_from_wherever_it_is_run(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    segment("a.tif", "-o", "out")
    monkeypatch.chdir(tmp_path.parent)

    segment(image, "-o", out, "--skip-existing")

    assert [(row["file"], row["status"]) for row in summary(out)] == [
        (str(image), "skipped")
    ]


def test_the_summary_says_of_a_skipped_image_what_it_said_when_it_was_done(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    words = ("-o", out, "--pixel-size", 0.5)
    segment(image, *words)
    (done,) = summary(out)

    segment(image, *words, "--skip-existing")

    (skipped,) = summary(out)
    assert (done["pixel_size_x_um"], done["pixel_size_y_um"]) == ("0.5", "0.5")
    assert skipped == {**done, "status": "skipped"}


@pytest.mark.parametrize("text", ['{"image": "x"}', '{"model": 3}', "[1]", "{"])
def test_a_record_of_another_program_stops_no_run(
    segmenter: FakeSegmenter, tmp_path: Path, text: str
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)
    (out / "a_cells.json").write_text(text)

    result = segment(image, "-o", out, "--skip-existing")

    assert "0 done, 0 skipped, 1 failed" in result.output
    assert "not known to come from this" in summary(out)[0]["error"]


def test_images_of_one_file_lie_side_by_side(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = tmp_path / "two.ome.tif", tmp_path / "out"
    with tifffile.TiffWriter(image, ome=True) as file:
        for size in (20, 30):
            pixels = np.zeros((size, size), np.uint8)
            pixels[5:9, 5:9] = 200
            file.write(pixels, metadata={"axes": "YX"})

    for scene in (1, 2):
        segment(image, "-o", out, "--scene", scene)
    again = segment(image, "-o", out, "--scene", 2, "--skip-existing")

    shapes = [tifffile.imread(p).shape for p in sorted(out.glob("*_labels.tif"))]
    assert shapes == [(20, 20), (30, 30)]
    assert "1 skipped" in again.output
    assert [(row["scene"], row["name"], row["status"]) for row in summary(out)] == [
        ("1", "two_scene1", "done"),
        ("2", "two_scene2", "skipped"),
    ]


def test_every_image_of_a_file_is_done(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    several, single = tmp_path / "two.ome.tif", tmp_path / "one.tif"
    torn, out = tmp_path / "torn.tif", tmp_path / "out"
    pixels = np.zeros((20, 30), np.uint8)
    pixels[5:9, 5:9] = 200
    with tifffile.TiffWriter(several, ome=True) as file:
        for plane in (pixels, pixels.T):
            file.write(plane, metadata={"axes": "YX"})
    tifffile.imwrite(single, pixels)
    torn.write_bytes(single.read_bytes()[:20])

    first = segment(several, single, torn, "-o", out, "--all-scenes")
    rows = [(r["scene"], r["name"], r["status"]) for r in summary(out)]
    again = segment(several, single, "-o", out, "--all-scenes", "--skip-existing")
    one = segment(several, "-o", out, "--scene", 2, "--skip-existing")
    both = segment(several, "-o", out, "--all-scenes", "--scene", 1)

    assert "3 done, 0 skipped, 1 failed" in first.output
    assert rows == [
        ("", "one", "done"),
        ("", "torn", "failed"),
        ("1", "two_scene1", "done"),
        ("2", "two_scene2", "done"),
    ]
    assert tifffile.imread(out / "two_scene2_labels.tif").shape == (30, 20)
    assert "3 skipped" in again.output
    assert "1 skipped" in one.output
    assert both.exit_code != 0
    assert "--all-scenes" in both.output


def test_each_failure_is_told_when_it_happens(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    (tmp_path / "a.tif").write_bytes(b"")
    write_cells(tmp_path / "b.tif")

    result = segment(tmp_path / "a.tif", tmp_path / "b.tif", "-o", tmp_path / "out")

    (told,) = [line for line in result.stderr.splitlines() if "failed: " in line]
    assert str(tmp_path / "a.tif") in told


def test_a_full_disk_stops_the_run_and_says_how_to_go_on(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DiskFullError("The disk is full.")

    for name in "abc":
        write_cells(tmp_path / f"{name}.tif")
    with monkeypatch.context() as patched:
        patched.setattr(results, "write_labels", fail)
        stopped = segment(tmp_path, "-o", tmp_path / "out")
    n_tried = segmenter.n_runs
    again = segment(tmp_path, "-o", tmp_path / "out", "--skip-existing")

    assert n_tried == 1
    assert stopped.exit_code == 1
    assert "--skip-existing" in str(stopped.exception)
    assert "3 done" in again.output


def test_a_folder_that_is_locked_is_said_before_the_work(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere

    result = segment(write_cells(tmp_path / "a.tif"), "-o", tmp_path / "out")

    assert "cannot be written to" in str(result.exception)
    assert segmenter.n_runs == 0


def test_a_run_that_goes_on_adds_a_mask_that_is_asked_for_now(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)

    first = segment(image, "-o", out, "--skip-existing", "--save-mask")
    second = segment(image, "-o", out, "--skip-existing", "--save-mask")

    assert "1 done, 0 skipped, 0 failed" in first.output
    assert (out / "a_mask.tif").exists()
    assert "0 done, 1 skipped, 0 failed" in second.output


def test_a_mask_is_not_added_to_what_another_model_made(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)

    words = ("--skip-existing", "--save-mask", "--diameter", 8)
    result = segment(image, "-o", out, *words)

    assert "0 done, 0 skipped, 1 failed" in result.output
    assert not (out / "a_mask.tif").exists()


def test_what_was_written_beside_old_labels_goes_with_them(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = tmp_path / "a.tif", tmp_path / "out"
    pixels = np.zeros((3, 16, 16), np.uint16)
    pixels[:, 4:9, 3:7] = 1000
    tifffile.imwrite(image, pixels, imagej=True, metadata={"axes": "ZYX"})
    segment(image, "-o", out, "--save-mask", "--save-probability")
    before = {path.name for path in out.iterdir()}
    write_cells(image)

    result = segment(image, "-o", out, "--overwrite", "--save-probability")

    assert result.exit_code == 0, result.output
    gone = before - {path.name for path in out.iterdir()}
    assert gone == {"a_mask.tif", "a_cells_3d.csv"}


def test_files_of_others_stay_where_results_are_replaced(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    out.mkdir()
    (out / "a_mask.tif").write_bytes(b"drawn by hand")

    segment(image, "-o", out)
    segment(image, "-o", out, "--overwrite")
    refused = segment(image, "-o", tmp_path / "out", "--save-mask")

    assert (out / "a_mask.tif").read_bytes() == b"drawn by hand"
    assert refused.exit_code == 1


def test_own_masks_are_not_taken_for_images(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    write_cells(tmp_path / "a.tif")
    write_cells(tmp_path / "b_mask.tif")
    words = ("--save-mask", "--save-probability")
    segment(tmp_path, "-o", tmp_path, *words)

    result = segment(tmp_path, "-o", tmp_path, "--skip-existing", *words)

    assert result.exit_code == 0, result.output
    assert sorted(row["name"] for row in summary(tmp_path)) == ["a", "b_mask"]


def test_own_results_are_not_taken_for_images(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    write_cells(tmp_path / "a.tif")
    segment(tmp_path, "-o", tmp_path)

    result = segment(tmp_path, "-o", tmp_path, "--skip-existing")

    assert result.exit_code == 0, result.output
    assert [row["name"] for row in summary(tmp_path)] == ["a"]


def test_a_stopped_run_keeps_what_is_done_and_closes_the_rest(tmp_path: Path) -> None:
    images = [write_cells(tmp_path / f"{name}.tif") for name in "abc"]
    segmenter, out = FakeSegmenter(), tmp_path / "out"
    job = segmenting.segment_files(
        images, out, segmenter, BatchOptions(), SegmentOptions()
    )
    while segmenter.n_runs < 2:
        next(job)

    job.close()

    assert segmenter.n_unfinished == 0
    assert [row["name"] for row in summary(out)] == ["a"]
    assert not list(out.glob("b_*"))


def test_ctrl_c_says_how_to_go_on(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(one_image, "measure_cells", interrupt)

    result = segment(write_cells(tmp_path / "a.tif"), "-o", tmp_path / "out")

    assert result.exit_code == 130
    assert "--skip-existing" in result.output
    assert segmenter.is_closed
    assert not list((tmp_path / "out").glob("*.tif"))


def test_progress_counts_images(tmp_path: Path) -> None:
    images = [write_cells(tmp_path / f"{name}.tif") for name in "ab"]
    steps = []

    run(
        segmenting.segment_files(
            images, tmp_path / "out", FakeSegmenter(), BatchOptions(), SegmentOptions()
        ),
        steps.append,
    )

    assert steps[0].done == 0
    assert steps[-1].done == 2
    assert {step.total for step in steps} == {2}
    assert any("a.tif" in step.message for step in steps)


def test_the_pixel_size_of_the_command_line_fills_in_for_the_file(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    segment(write_cells(tmp_path / "a.tif"), "-o", out, "--pixel-size", 0.5)

    with (out / "a_cells.csv").open(encoding="utf-8-sig", newline="") as file:
        areas = [float(row["area_um2"]) for row in csv.DictReader(file)]
    assert areas == [20 * 0.25, 20 * 0.25]


def test_a_name_that_looks_like_a_formula_stays_a_name(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cells(tmp_path / "=1+1.tif")
    monkeypatch.chdir(tmp_path)

    result = segment("=1+1.tif", "-o", "out")

    assert result.exit_code == 0, result.output
    text = (tmp_path / "out" / "summary.csv").read_text(encoding="utf-8-sig")
    assert not text.splitlines()[1].lstrip('"').startswith("=")


def test_skip_and_overwrite_together_make_no_sense() -> None:
    with pytest.raises(OptionsError, match="not both"):
        BatchOptions(skip_existing=True, overwrite=True)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    import gc
    import weakref

    images = [write_cells(tmp_path / f"{number}.tif") for number in range(5)]
    alive: list[weakref.ref[object]] = []

    class Watched(FakeSegmenter):
        def segment(self, image, options):  # type: ignore[no-untyped-def]
            alive.append(weakref.ref(image.data))
            return (yield from super().segment(image, options))

    job = segmenting.segment_files(
        images, tmp_path / "out", Watched(), BatchOptions(), SegmentOptions()
    )
    held = []
    for _ in job:
        if len(alive) > len(held):  # an image has begun: those before it are gone
            gc.collect()
            held.append(sum(reference() is not None for reference in alive))

    assert held == [1] * 5


@pytest.mark.parametrize(("flag", "n_cells"), [("", 2), ("--no-join-planes", 6)])
def test_a_stack_becomes_3d_cells_with_volumes(
    segmenter: FakeSegmenter, tmp_path: Path, flag: str, n_cells: int
) -> None:
    plane = tifffile.imread(write_cells(tmp_path / "plane.tif", 2))
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([plane] * 3), photometric="minisblack"
    )
    sizes = ("--axes", "ZYX", "--pixel-size", "0.5", "--z-step", "2")

    result = segment(
        tmp_path / "a.tif", "-o", tmp_path / "o", *sizes, *filter(None, [flag])
    )

    assert result.exit_code == 0, result.output
    assert summary(tmp_path / "o")[0]["n_cells"] == str(n_cells)
    with (tmp_path / "o" / "a_cells_3d.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == n_cells
    assert float(rows[0]["volume_um3"]) == 20 * (6 / n_cells) * 0.5


def test_a_series_is_followed_and_the_table_names_mothers(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    pytest.importorskip("laptrack", reason="the extra 'tracks' is not installed")
    truth, parents = moving_cells()
    series = (truth > 0).astype(np.uint16) * 1000
    tifffile.imwrite(tmp_path / "a.tif", series, photometric="minisblack")

    flags = ("--axes", "TYX", "--track")
    result = segment(tmp_path / "a.tif", "-o", tmp_path / "o", *flags)

    assert result.exit_code == 0, result.output
    labels = tifffile.imread(tmp_path / "o" / "a_labels.tif").astype(np.int32)
    ids = same_cells(labels, truth)
    assert sorted(ids.values()) == list(range(14))
    with (tmp_path / "o" / "a_cells.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    found = {(row["track_id"], row["parent_id"]) for row in rows if row["parent_id"]}
    assert found == {(str(ids[c]), str(ids[m])) for c, m in parents.items()}
    assert summary(tmp_path / "o")[0]["n_cells"] == "13"


def record_of(out: Path) -> dict[str, Any]:
    """Return the record of the image a."""
    values: dict[str, Any] = json.loads((out / "a_cells.json").read_text("utf-8"))
    return values


def test_the_typed_pixel_size_counts_more_than_that_of_the_file(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    pixels = np.zeros((16, 16), np.uint16)
    pixels[4:9, 3:7] = 1000
    image, out = tmp_path / "a.ome.tif", tmp_path / "out"
    sizes = {f"PhysicalSize{axis}": 0.3 for axis in "XY"}
    tifffile.imwrite(image, pixels, metadata={"axes": "YX", **sizes})

    segment(image, "-o", out, "--pixel-size", 0.5)

    values = record_of(out)["image"]
    assert values["pixel_size_um"]["x"] == 0.5
    assert any("0.3" in note and "not used" in note for note in values["notes"])


def test_a_pixel_size_where_the_file_says_none(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    silent, out = write_cells(tmp_path / "a.tif"), tmp_path / "out"
    says = tmp_path / "b.ome.tif"
    sizes = {f"PhysicalSize{axis}": 0.3 for axis in "XY"}
    pixels = np.zeros((16, 16), np.uint16)
    tifffile.imwrite(says, pixels, metadata={"axes": "YX", **sizes})

    segment(silent, says, "-o", out, "--pixel-size-if-unknown", 0.5)

    known = [
        json.loads(path.read_text("utf-8"))["image"]["pixel_size_um"]["x"]
        for path in sorted(out.glob("*_cells.json"))
    ]
    assert known == [0.5, 0.3]


def test_a_distance_of_planes_alone_is_not_dropped_unsaid(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = tmp_path / "a.tif", tmp_path / "out"
    pixels = np.ones((3, 16, 16), np.uint16)
    tifffile.imwrite(image, pixels, photometric="minisblack")

    alone = segment(image, "-o", out, "--axes", "ZYX", "--z-step", 1.5)
    error = summary(out)[0]["error"]
    words = ("--axes", "ZYX", "--z-step", 1.5, "--pixel-size", 0.5)
    both = segment(image, "-o", out, *words)

    assert alone.exit_code == 1
    assert "--pixel-size" in error
    assert both.exit_code == 0, both.output
    assert record_of(out)["image"]["pixel_size_um"]["z"] == 1.5


def test_of_a_file_with_several_images_one_is_chosen(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image, out = tmp_path / "a.tif", tmp_path / "out"
    with tifffile.TiffWriter(image) as file:
        for size in (16, 20):
            file.write(np.arange(size * size, dtype=np.uint16).reshape(size, size))

    unsaid = segment(image, "-o", out)
    error = summary(out)[0]["error"]
    second = segment(image, "-o", out, "--scene", 2)
    third = segment(image, "-o", tmp_path / "out 3", "--scene", 3)

    assert unsaid.exit_code == 1
    assert "2 images" in error
    assert "--scene" in error
    assert second.exit_code == 0, second.output
    record = json.loads((out / "a_scene2_cells.json").read_text(encoding="utf-8"))
    assert record["image"]["shape"] == [1, 20, 20]
    assert [row["status"] for row in summary(out)] == ["done"]
    assert third.exit_code == 1
    assert "number 3" in summary(tmp_path / "out 3")[0]["error"]


def test_the_summary_says_both_sides_of_a_pixel_and_the_distance_of_planes(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    sizes = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    pixels = np.zeros((3, 16, 20), np.uint8)
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, pixels, metadata={"axes": "ZYX", **sizes})

    segment(path, "-o", tmp_path / "out")

    (row,) = summary(tmp_path / "out")
    names = ("pixel_size_x_um", "pixel_size_y_um", "z_step_um")
    assert [row[name] for name in names] == ["0.25", "0.5", "2.0"]


def test_an_image_is_known_again_from_another_folder(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, out = write_cells(tmp_path / "plate" / "a.tif"), tmp_path / "out"
    segment(image, "-o", out)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")

    result = segment("../plate/a.tif", "-o", out, "--skip-existing")

    assert "0 done, 1 skipped" in result.output
    assert [row["file"] for row in summary(out)] == [str(image)]


def write_two_channels(path: Path, names: tuple[str, str]) -> Path:
    """Write an image whose second channel shows two cells, the first one none."""
    pixels = np.zeros((2, 30, 40), np.uint16)
    pixels[1, 4:9, 3:7] = pixels[1, 20:25, 23:29] = 1000
    tifffile.imwrite(
        path,
        pixels,
        ome=True,
        metadata={"axes": "CYX", "Channel": {"Name": list(names)}},
    )
    return path


@pytest.mark.parametrize("typed", ["DAPI", "dapi", "1"])
def test_a_channel_is_chosen_by_name_or_number(
    segmenter: FakeSegmenter, tmp_path: Path, typed: str
) -> None:
    image = write_two_channels(tmp_path / "a.ome.tif", ("GFP", "DAPI"))

    result = segment(image, "--out", tmp_path / "out", "--channel", typed)

    assert result.exit_code == 0, result.output
    assert summary(tmp_path / "out")[0]["n_cells"] == "2"
    record = json.loads((tmp_path / "out" / "a_cells.json").read_text())
    assert record["image"]["channels"] == ["GFP", "DAPI"]


def test_a_name_is_looked_for_in_each_image(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    write_two_channels(tmp_path / "a.ome.tif", ("488", "561"))
    write_two_channels(tmp_path / "b.ome.tif", ("488", "647"))

    result = segment(tmp_path, "--out", tmp_path / "out", "--channel", "561")

    assert result.exit_code == 1
    first, second = summary(tmp_path / "out")
    assert (first["status"], first["n_cells"]) == ("done", "2")
    assert "no channels of the name '561'; it has 0 = 488, 1 = 647" in second["error"]


def test_results_of_another_channel_are_not_taken_for_finished(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image = write_two_channels(tmp_path / "a.ome.tif", ("GFP", "DAPI"))
    segment(image, "--out", tmp_path / "out", "--channel", "DAPI")

    again = segment(
        image, "--out", tmp_path / "out", "--channel", "GFP", "--skip-existing"
    )

    assert again.exit_code == 1
    said = "channel_name = DAPI instead of GFP"
    assert said in summary(tmp_path / "out")[0]["error"]


def test_a_region_gives_the_numbers_of_that_crop_alone(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image = write_cells(tmp_path / "a.tif", n_cells=4)
    tifffile.imwrite(tmp_path / "crop.tif", tifffile.imread(image)[2:14, 10:30])
    segment(tmp_path / "crop.tif", "--out", tmp_path / "alone")

    result = segment(image, "--out", tmp_path / "out", "--region", "2:14,10:30")

    assert result.exit_code == 0, result.output
    part, alone = (
        (tmp_path / folder / f"{name}_cells.csv").read_text().splitlines()
        for folder, name in (("out", "a"), ("alone", "crop"))
    )
    assert len(part) == 3
    assert [row.partition(",")[2] for row in part] == [
        row.partition(",")[2] for row in alone
    ]
    labels = tmp_path / "out" / "a_labels.tif"
    assert tifffile.imread(labels).shape == (12, 20)
    measured = runner.invoke(
        app, ["measure", str(labels), "--image", str(image), "--overwrite"]
    )
    assert measured.exit_code == 0, measured.output


def test_results_of_another_region_are_not_taken_for_finished(
    segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    image = write_cells(tmp_path / "a.tif", n_cells=4)
    segment(image, "--out", tmp_path / "out", "--region", "2:14,10:30")

    again = segment(image, "--out", tmp_path / "out", "--skip-existing")

    assert again.exit_code == 1
    said = "region = 2:14,10:30 instead of None"
    assert said in summary(tmp_path / "out")[0]["error"]


def test_on_windows_case_does_not_tell_images_apart(
    segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "normcase", str.lower)
    image = write_cells(tmp_path / "Plate" / "a.tif")
    out = tmp_path / "out"
    segment(image, "--out", out)
    record = json.loads((out / "a_cells.json").read_text())
    record["image"]["source"] = record["image"]["source"].replace("Plate", "plate")
    (out / "a_cells.json").write_text(json.dumps(record))

    segment(image, "--out", out, "--skip-existing")

    assert [row["status"] for row in summary(out)] == ["skipped"]
    assert not (out / "a_2_labels.tif").exists()
