"""Projects and models from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import CellsegError, ProjectError
from napari_cellseg.io.models.folder import MODELS_VARIABLE
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project, open_project

RUNNER = CliRunner()


def printed(*arguments: str) -> str:
    result = RUNNER.invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: str) -> str:
    result = RUNNER.invoke(app, list(arguments))
    assert isinstance(result.exception, CellsegError), result.output
    return str(result.exception)


def test_a_project_is_made_filled_and_written_out(tmp_path: Path) -> None:
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((20, 20), np.uint8))
    folder = tmp_path / "work.cellseg"
    assert "1 images" in printed(
        "project", "new", str(folder), str(tmp_path / "one.tif")
    )
    assert "1 images added" in printed(
        "project", "add", str(folder), str(tmp_path / "two.tif")
    )
    labels = np.zeros((20, 20), np.int32)
    labels[3:9, 3:9] = 7
    with open_project(folder) as project:
        project.start_labels(1, NewLabels(labels, "YX", {7: "hand"}))
    assert "with labels      1" in printed("project", "info", str(folder))
    printed("project", "labels", str(folder), "--out", str(tmp_path / "out"))
    found, _ = read_labels(tmp_path / "out" / "one_labels.tif")
    np.testing.assert_array_equal(found, labels)


def test_labels_and_cells_replace_nothing_unasked(tmp_path: Path) -> None:
    folder, out = tmp_path / "work.cellseg", tmp_path / "out"
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((20, 20), np.uint8))
    with create_project(folder) as project:
        project.add_images([tmp_path / "one.tif"])
        project.start_labels(
            1, NewLabels(np.eye(20, dtype=np.int32), "YX", {1: "hand"})
        )
    for command in (["labels"], ["export", "--format", "coco"]):
        given = ["project", command[0], str(folder), *command[1:], "--out", str(out)]
        printed(*given)
        (file,) = out.iterdir()
        before = file.read_bytes()
        file.write_bytes(b"mine")
        refused = RUNNER.invoke(app, given)
        assert "Use --overwrite to replace" in str(refused.exception)
        assert file.read_bytes() == b"mine"
        printed(*given, "--overwrite")
        assert len(file.read_bytes()) == len(before)
        file.unlink()


def test_labels_of_images_with_one_name_are_all_written(tmp_path: Path) -> None:
    folder = tmp_path / "work.cellseg"
    places = [tmp_path / side / "A01.tif" for side in ("left", "right")]
    with create_project(folder) as project:
        for number, place in enumerate(places, start=1):
            place.parent.mkdir()
            tifffile.imwrite(place, np.zeros((20, 20), np.uint8))
            project.add_images([place])
            labels = np.full((20, 20), number, np.int32)
            project.start_labels(number, NewLabels(labels, "YX", {number: "hand"}))

    printed("project", "labels", str(folder), "--out", str(tmp_path / "out"))

    for number, side in enumerate(("left", "right"), start=1):
        found, _ = read_labels(tmp_path / "out" / f"{side}_A01_labels.tif")
        assert (found == number).all()


def test_a_model_is_exported_taken_in_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    assert "* cells-general" in printed("models", "list")
    assert "weights_sha256" in printed("models", "show", "cells-general")
    archive = str(tmp_path / "model.zip")
    printed("models", "export", "cells-general", archive)
    assert "There is a model 'cells-general'" in refused("models", "import", archive)
    printed("models", "import", archive, "--rename")
    assert (tmp_path / "models" / "cells-general-2" / "model.json").is_file()
    printed("models", "remove", "cells-general-2")
    assert not (tmp_path / "models" / "cells-general-2").exists()


def test_a_model_that_is_exported_replaces_no_file_unasked(tmp_path: Path) -> None:
    kept = tmp_path / "work.zip"
    kept.write_text("work of a year")
    assert "--overwrite" in refused("models", "export", "cells-general", str(kept))
    assert kept.read_text() == "work of a year"


def test_a_model_folder_that_cannot_be_read_is_listed_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "model.json").write_text('{"format_ver')
    assert "! " in (listed := printed("models", "list"))
    assert "is no JSON" in listed
    assert "is no JSON" in refused("models", "show", "cut")
    printed("models", "remove", "cut")
    assert "! " not in printed("models", "list")


def test_labels_of_a_project_without_cells_are_refused_in_one_sentence(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "work.cellseg"
    tifffile.imwrite(tmp_path / "one.tif", np.zeros((20, 20), np.uint8))
    with create_project(folder) as project:
        project.add_images([tmp_path / "one.tif"])

    words = ["project", "labels", str(folder), "--out", str(tmp_path / "out")]
    result = RUNNER.invoke(app, words)

    assert isinstance(result.exception, ProjectError)
    assert "No image of work has cells yet" in str(result.exception)
    assert not (tmp_path / "out").exists()
