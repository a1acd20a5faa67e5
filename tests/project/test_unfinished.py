"""A program killed amid an import leaves no folder behind for ever."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from napari_cellseg.core.jobs import run
from napari_cellseg.project.labels.new_labels import LargeLabels, NewLabels
from napari_cellseg.project.labels.unfinished import being_written
from napari_cellseg.project.store import create_project, open_project

SIDE = 9000  # three by three blocks
IMPORTING = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from napari_cellseg.project.labels.new_labels import LargeLabels
    from napari_cellseg.project.store import open_project

    class Labels:
        shape = ({side}, {side})
        def __getitem__(self, box):
            return np.ones([part.stop - part.start for part in box], np.int32)

    project = open_project(Path(sys.argv[1]))
    job = project.start_by_blocks(1, LargeLabels(Labels.shape, "YX", None, Labels()))
    for _ in range(3):
        next(job)
    os.kill(os.getpid(), signal.SIGKILL)
    """
).format(side=SIDE)


@pytest.fixture
def folder(tmp_path):
    """Return a project of one image without labels."""
    image = tmp_path / "image.tif"
    image.write_bytes(b"pixels")
    with create_project(tmp_path / "work") as project:
        project.add_images([image])
        return project.folder


def names(folder):
    """Return what lies beside the labels, also what is hidden."""
    return sorted(path.name for path in (folder / "labels").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_an_import_left_that_was_killed_is_removed_at_the_next_opening(folder):
    program = [sys.executable, "-c", IMPORTING, str(folder)]
    assert subprocess.run(program, check=False).returncode == -signal.SIGKILL
    assert any(name.startswith(".new.") for name in names(folder))

    with open_project(folder) as project:
        assert not any(name.startswith(".new.") for name in names(folder))
        assert not project.images()[0].has_labels  # as if it had never begun
        assert run(project.start_by_blocks(1, LargeLabels((600, 600), "YX"))) is None


def test_what_another_program_is_writing_stays(folder):
    labels = folder / "labels" / "1.1.ome.zarr"
    new = folder / "labels" / ".new.1.1.ome.zarr"
    new.mkdir(parents=True)
    with being_written(labels):
        open_project(folder).close()
        assert new.exists()
    open_project(folder).close()
    assert not new.exists()


def test_a_project_that_is_opened_to_read_removes_nothing(folder):
    new = folder / "labels" / ".new.1.1.ome.zarr"
    new.mkdir(parents=True)
    open_project(folder, read_only=True).close()
    assert new.exists()


def test_labels_that_no_step_ever_showed_are_removed(folder):
    whole = folder / "labels" / "1.4.ome.zarr"
    whole.mkdir(parents=True)
    open_project(folder).close()
    assert not whole.exists()


def test_labels_that_were_being_replaced_are_put_back(folder):
    labels = np.zeros((20, 20), np.int32)
    labels[2:5, 2:5] = 7
    with create_project(folder.parent / "other") as project:
        project.add_images([folder.parent / "image.tif"])
        project.start_labels(1, NewLabels(labels, "YX"))
        other = project.folder
    place = other / "labels"
    (place / "1.ome.zarr").rename(place / ".old.1.ome.zarr")

    with open_project(other) as project:
        assert np.array_equal(project.open_labels(1).labels, labels)
