"""A disk that is full or goes away, with real ones: small, in memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from errno import ENOSPC, EROFS
from pathlib import Path

import numpy as np
import pytest
from tests.project.test_journal import paint

from napari_cellseg.core.editing.edits import apply_edit, edit_on_labels
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.database.database import told
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project, open_project

DISK_BYTES = 2**21
SIDE = 256


def mount(*arguments: str) -> bool:
    """Call mount; say whether it did as it was told."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return where a disk of two megabytes is mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if not mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)):
        pytest.skip("a disk can be mounted as root on Linux only")
    yield place
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


@pytest.fixture
def folder(disk: Path) -> Path:
    image = disk / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(disk / "mine") as project:
        project.add_images([image])
        new = NewLabels(np.zeros((SIDE, SIDE), np.int32), "YX")
        project.start_labels(1, new)
        return project.folder


def scrawl(opened: ProjectLabels, rng: np.random.Generator) -> None:
    """Make an edit that cannot be packed: 256 kB in the journal."""
    after = rng.integers(1, 2**31 - 1, (SIDE, SIDE)).astype(np.int32)
    edit = edit_on_labels(opened.labels, after, (0, 0), "scrawl", opened.sources)
    opened.journal.push(edit)
    apply_edit(opened.labels, edit)


def test_a_full_disk_loses_no_step_and_writing_goes_on_when_there_is_room(
    disk: Path, folder: Path
) -> None:
    filler = disk / "others.bin"
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        free = DISK_BYTES - sum(p.stat().st_size for p in disk.rglob("*"))
        filler.write_bytes(bytes(max(free - 600_000, 0)))
        rng = np.random.default_rng(0)
        for _ in range(6):
            scrawl(opened, rng)
        assert "disk is full" in opened.journal.problem
        assert opened.journal.n_waiting > 0
        paint(opened, 2, 4)
        apply_edit(opened.labels, opened.journal.undo())
        shown = opened.labels.copy()
        filler.unlink()
        assert mount("-o", "remount,size=64m", str(disk))
        assert opened.journal.retry()
        assert opened.journal.problem == ""
    with open_project(folder) as project:
        opened = project.open_labels(1)
        assert np.array_equal(opened.labels, shown)
        for _ in range(7):
            apply_edit(opened.labels, opened.journal.undo())
        assert not opened.labels.any()


def test_a_share_that_goes_away_loses_no_step_and_writing_goes_on_when_it_is_back(
    disk: Path, folder: Path, tmp_path: Path
) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        paint(opened, 1, 2)
        away = tmp_path / "away"
        away.mkdir()
        assert mount("--move", str(disk), str(away))
        paint(opened, 2, 4)
        assert opened.journal.n_waiting == 1
        assert "not there any more" in opened.journal.problem
        assert mount("--move", str(away), str(disk))
        assert opened.journal.retry()
        shown = opened.labels.copy()
    with open_project(folder) as project:
        assert np.array_equal(project.open_labels(1).labels, shown)


def test_a_disk_that_is_full_or_closed_is_told_alike_by_database_and_files(
    tmp_path: Path,
) -> None:
    for number, words in ((ENOSPC, "disk is full"), (EROFS, "writing there is not")):
        with pytest.raises(ProjectError, match=words), told(tmp_path):
            raise OSError(number, "as the system says it")
