"""Several images at the same time: the same results, and a death costs one image."""

from __future__ import annotations

import csv
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
from typer.testing import CliRunner

from napari_cellseg import engines
from napari_cellseg.batch import one_image, together
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.results import ImageResults, Row
from napari_cellseg.cli.main import app
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic.options import SceneOptions
from napari_cellseg.core.synthetic.scenes import make_scene

runner = CliRunner()
ENDS_WITHIN_S = 60


def died_at_b(result: ImageResults, *_: object) -> Row:
    """Stand for the work on an image; that on ``b`` takes its process with it."""
    if result.name == "b":
        os._exit(1)
    return {"file": result.name, "status": "done"}


def slept(result: ImageResults, *_: object) -> Row:
    """Stand for long work: say who does it, then sleep."""
    (result.folder / f"{os.getpid()}.pid").touch()
    time.sleep(ENDS_WITHIN_S)
    return {"file": result.name, "status": "done"}


def images_named(names: str, folder: Path) -> dict[int, ImageResults]:
    """Return images that are not there, one a letter, by place."""
    return {
        place: ImageResults(folder, name, folder / f"{name}.tif")
        for place, name in enumerate(names)
    }


def test_results_are_those_of_one_after_another(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in (1, 2, 3):
        scene = make_scene(SceneOptions(shape_yx=(128, 128)), seed)
        tifffile.imwrite(folder / f"{seed}.tif", scene.image.data[0])
    (folder / "2b.tif").write_bytes(b"no image")

    answers = [
        runner.invoke(
            app, ["segment", str(folder), "-o", str(tmp_path / jobs), "--jobs", jobs]
        )
        for jobs in ("1", "2")
    ]

    assert [answer.exit_code for answer in answers] == [1, 1], answers[1].output
    alone, joined = (rows(tmp_path / jobs / "summary.csv") for jobs in ("1", "2"))
    assert [row["name"] for row in joined] == ["1", "2", "2b", "3"]
    same = ("name", "status", "n_cells", "error")
    assert [[row[name] for name in same] for row in joined] == [
        [row[name] for name in same] for row in alone
    ]
    for seed in (1, 2, 3):
        one, other = (tmp_path / jobs / f"{seed}_labels.tif" for jobs in ("1", "2"))
        assert tifffile.imread(one).max() > 0
        assert np.array_equal(tifffile.imread(one), tifffile.imread(other))


def test_a_process_that_dies_costs_its_image_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "_row_of_image", died_at_b)
    todo = images_named("abcd", tmp_path)

    found = dict(together.rows_together(todo, BatchOptions(jobs=2), SegmentOptions()))

    assert [found[place]["status"] for place in range(4)] == [
        "done",
        "failed",
        "done",
        "done",
    ]
    assert "--jobs" in found[1]["error"]
    assert not multiprocessing.active_children()


def test_processes_end_when_the_program_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import test_together as t\n"
        "from napari_cellseg.batch import together\n"
        "if __name__ == '__main__':\n"
        "    together._row_of_image = t.slept\n"
        "    todo = t.images_named('ab', Path(sys.argv[1]))\n"
        "    options = t.BatchOptions(jobs=2), t.SegmentOptions()\n"
        "    list(together.rows_together(todo, *options))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(code)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    program = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        workers = wait_for_workers(tmp_path, 2)
    finally:
        program.kill()
        program.wait()

    _, alive = psutil.wait_procs(workers, timeout=ENDS_WITHIN_S / 2)
    assert not alive


def wait_for_workers(folder: Path, number: int) -> list[psutil.Process]:
    """Return the processes that have begun to work."""
    ends = time.monotonic() + ENDS_WITHIN_S
    while len(found := list(folder.glob("*.pid"))) < number:
        assert time.monotonic() < ends, "the processes did not begin"
        time.sleep(0.05)
    return [psutil.Process(int(path.stem)) for path in found]


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a summary."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def failed_with_log(result: ImageResults, *_: object) -> Row:
    """Stand for an image at which something unexpected happened."""
    return one_image.row_of_error(result, ZeroDivisionError("nobody expected this"))


def test_what_nobody_expected_is_logged_as_the_program_logs(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import test_together as t\n"
        "from napari_cellseg.batch import logs, together\n"
        "if __name__ == '__main__':\n"
        "    logs.set_up_logging(int(sys.argv[2]))\n"
        "    together._row_of_image = t.failed_with_log\n"
        "    todo = t.images_named('ab', Path(sys.argv[1]))\n"
        "    options = t.BatchOptions(jobs=2), t.SegmentOptions()\n"
        "    list(together.rows_together(todo, *options))\n"
    )
    script = tmp_path / "program.py"
    script.write_text(code)
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    told = {
        level: subprocess.run(
            [sys.executable, str(script), str(tmp_path), str(level)],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        for level in (logging.ERROR, logging.CRITICAL)
    }
    assert (
        "ERROR:napari_cellseg.batch.one_image:Unexpected error" in told[logging.ERROR]
    )
    assert "nobody expected this" in told[logging.ERROR]
    assert "Unexpected" not in told[logging.CRITICAL]


def test_with_several_jobs_no_network_is_opened_in_the_program_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "_row_of_image", died_at_b)
    monkeypatch.setattr(engines, "open_here", None)  # would open one
    for name in "acd":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((64, 64), np.uint8))
    given = ["segment", str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", "2"]
    answer = runner.invoke(app, given)
    assert answer.exit_code == 0, answer.output
    assert "3 done" in answer.output
