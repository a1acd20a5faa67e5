"""A session killed at a random moment loses at most the step that was in hand."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.project.editing_run import digest, show, whole

from napari_cellseg.core.editing.edits import apply_edit
from napari_cellseg.core.jobs import run
from napari_cellseg.core.labels.on_disk import LARGE_PX, is_on_disk
from napari_cellseg.core.labels.rows import find_rows
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import LargeLabels, NewLabels
from napari_cellseg.project.store import Project, create_project, open_project

SCRIPT = Path(__file__).with_name("editing_run.py")
#: The longest that a session runs on before it is killed, in seconds.
LONGEST_RUN = 0.5
N_KILLS = int(os.environ.get("CELLSEG_KILLS", "16"))
pytestmark = pytest.mark.timeout(300 + 20 * N_KILLS)


#: Labels of four chunks that count as large.
LARGE_SIDE, LOWERED_PX = 1024, 2**19


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path, 96)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project whose labels are left on disk."""
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", LOWERED_PX)
    return made(tmp_path, LARGE_SIDE)


def made(tmp_path: Path, side: int) -> Path:
    """Make a project with one image without cells, and return its folder."""
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "killed") as project:
        project.add_images([image])
        project.start_labels(1, NewLabels(np.zeros((side, side), np.int32), "YX"))
        return project.folder


def _killed_after(
    folder: Path, seed: int, seconds: float, large_px: int = LARGE_PX, n_first: int = 0
) -> list[tuple[str, int]]:
    """Edit for some time, kill -9, and return what the session said it had done.

    The time begins after the first `n_first` steps.
    """
    program = [sys.executable, str(SCRIPT), str(folder), str(seed), str(large_px)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = [process.stdout.readline() for _ in range(1 + n_first)]
        time.sleep(seconds)
        process.kill()
        lines = [*first, *process.stdout]
    # The line that was being printed may be cut off.
    pairs = [line.split() for line in lines if line.endswith("\n")]
    return [(name, int(number)) for name, number in pairs]


def test_no_completed_step_is_lost_when_killed(folder: Path) -> None:
    rng = np.random.default_rng(1)
    n_steps, names = 0, set()
    for seed in range(N_KILLS):
        # A slow computer may do nothing in the pause; what was done before counts.
        pause, n_first = rng.uniform(0, LONGEST_RUN), int(rng.integers(0, 12))
        told = _killed_after(folder, seed, pause, n_first=n_first)
        n_steps += len(told) - 1
        names |= {name.partition("_")[0] for name, _ in told}
        with open_project(folder) as project:
            opened = project.open_labels(1)
            last = told[-1][1]
            if digest(opened) != last:
                # One step may have been committed and not yet been told of.
                _take_last_step_back(project, opened)
            assert digest(opened) == last
            # The cells that are known are those in the labels.
            assert set(opened.sources) == set(np.unique(opened.labels)) - {0}
            assert opened.classes.keys() <= opened.sources.keys()
    assert n_steps > 3 * N_KILLS  # the sessions did work before they were killed
    assert "class" in names


def test_no_completed_step_on_large_labels_is_lost_when_killed(large: Path) -> None:
    rng = np.random.default_rng(2)
    n_kills = max(N_KILLS // 4, 1)
    n_steps = 0
    for seed in range(n_kills):
        pause = rng.uniform(0, LONGEST_RUN / 5)
        n_first = int(rng.integers(3, 12))
        told = _killed_after(large, seed, pause, LOWERED_PX, n_first)
        n_steps += len(told) - 1
        with open_project(large) as project:
            opened = project.open_labels(1)
            assert is_on_disk(opened.labels)
            last = told[-1][1]
            if digest(opened) != last:
                _take_last_step_back(project, opened)
            assert digest(opened) == last
            _check_what_is_known(opened)
        with open_project(large) as project:
            full, *smaller = (
                np.asarray(one[...]) for one in project.open_labels(1).levels()
            )
            assert np.array_equal(smaller[0], full[::2, ::2])
    assert n_steps >= 3 * n_kills


def _check_what_is_known(opened: ProjectLabels) -> None:
    """Compare cells, sizes and places with the pixels."""
    assert set(opened.sources) == set(np.unique(whole(opened))) - {0}
    _check_places(opened)


def _check_places(opened: ProjectLabels) -> None:
    rows = find_rows(whole(opened))
    assert opened.index is not None
    found = opened.index.boxes(opened.index.ids)
    assert {cell: n for cell, (_, n) in found.items()} == dict(
        zip(rows.ids.tolist(), rows.counts.tolist(), strict=True)
    )
    for cell, low, high in zip(rows.ids, rows.lows, rows.highs, strict=True):
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        assert found[cell][0] == box


def test_undo_and_redo_on_large_labels_go_all_the_way_after_a_crash(
    large: Path,
) -> None:
    _killed_after(large, 4, 0.5, LOWERED_PX)
    with open_project(large) as project:
        opened = project.open_labels(1)
        seen = [digest(opened)]
        while (edit := opened.journal.undo()) is not None:
            show(opened, edit)
            seen.append(digest(opened))
        assert not whole(opened).any()
        assert len(opened.index) == 0
    with open_project(large) as project:
        opened = project.open_labels(1)
        assert not whole(opened).any()
        for before in reversed(seen[:-1]):
            edit = opened.journal.redo()
            assert edit is not None
            show(opened, edit)
            assert digest(opened) == before
        _check_what_is_known(opened)


def test_labels_are_those_before_or_after_an_undo_of_an_import_when_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", LOWERED_PX)
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    imported = np.zeros((LARGE_SIDE, LARGE_SIDE), np.int32)
    imported[500:520, 40:60], imported[10:20, 600:620] = 1, 2
    with create_project(tmp_path / "killed") as project:
        project.add_images([image])
        new = LargeLabels(imported.shape, "YX", None, imported, "import cells.tif")
        run(project.start_by_blocks(1, new))
        folder = project.folder
    script = SCRIPT.with_name("exchanging_run.py")
    program = [sys.executable, str(script), str(folder), str(LOWERED_PX)]
    # By the number of cells: what there was before and after the import, and a deletion.
    states = [np.zeros_like(imported), imported, np.where(imported == 1, 0, imported)]
    line = [0, 2, 1]
    rng, n_told = np.random.default_rng(6), 0
    n_kills = max(N_KILLS // 4, 1)
    for _ in range(n_kills):
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = [process.stdout.readline() for _ in range(2)]
            time.sleep(rng.uniform(0, LONGEST_RUN))
            process.kill()
            told = [int(one) for one in (*first, *process.stdout) if one.endswith("\n")]
        n_told += len(told)
        with open_project(folder) as project:
            opened = project.open_labels(1)
            place, last = line.index(len(opened.index)), line.index(told[-1])
            # One step may have been committed and not yet been told of.
            assert abs(place - last) <= 1
            assert np.array_equal(whole(opened), states[place])
            _check_places(opened)
    assert n_told >= 2 * n_kills


def _take_last_step_back(project: Project, opened: ProjectLabels) -> None:
    """Undo what the last step did, or redo what it undid."""
    row = project._connection.execute(
        "SELECT kind FROM steps ORDER BY id DESC LIMIT 1"
    ).fetchone()
    journal = opened.journal
    back = journal.redo() if row["kind"] == "undo" else journal.undo()
    assert back is not None
    show(opened, back)


def test_undo_goes_back_to_the_beginning_after_a_crash(folder: Path) -> None:
    _killed_after(folder, 3, 0.3)
    with open_project(folder) as project:
        opened = project.open_labels(1)
        while (edit := opened.journal.undo()) is not None:
            apply_edit(opened.labels, edit)
        assert not opened.labels.any()


def test_recovered_work_is_told_of(folder: Path) -> None:
    while True:
        # What is written at every seventh step is not yet.
        _killed_after(folder, 5, 0, n_first=2)
        project = open_project(folder)
        if project.recovered:
            break
        project.close()
    assert project.recovered[0].image == "image.tif"
    assert project.recovered[0].n_steps > 0
    project.open_labels(1)
    project.close()
    with open_project(folder) as again:
        assert again.recovered == ()
