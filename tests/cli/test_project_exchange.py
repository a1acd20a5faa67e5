"""Cells of a project to other programs and back, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.editing.classes import assign_class, updated_classes
from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.editing.lineage_steps import with_difference
from napari_cellseg.io.exchange.formats import FORMATS
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import open_project

RUNNER = CliRunner()
LABELS = np.zeros((20, 30), np.int32)
LABELS[3:9, 3:9] = 1
LABELS[3:9, 9:15] = 2
LABELS[12:16, 20:26] = 3
SOURCES: dict[int, Source] = {1: "hand", 2: "model", 3: "model"}


def cellseg(*arguments: object, code: int = 0) -> str:
    result = RUNNER.invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of two images, of which the first has cells."""
    for name in ("one", "two"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((20, 30), np.uint8))
    path = tmp_path / "work.cellseg"
    cellseg("project", "new", path, tmp_path / "one.tif", tmp_path / "two.tif")
    with open_project(path) as project:
        project.start_labels(1, NewLabels(LABELS, "YX", SOURCES, {2: 0.5, 3: 0.9}))
    return path


@pytest.mark.parametrize("name", [one.name for one in FORMATS])
def test_what_is_exported_comes_back_and_can_be_undone(
    folder: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    cellseg("project", "export", folder, "--format", name, "--out", out)
    (file,) = out.iterdir()

    printed = cellseg("project", "import", folder, file, "--image", "two.tif")

    assert "two.tif: 3 cells from" in printed
    with open_project(folder) as project:
        opened = project.open_labels(2)
        np.testing.assert_array_equal(opened.labels, LABELS)
        assert opened.journal.undo_name == f"import {file.name}"
        edit = opened.journal.undo()
        assert edit is not None
        assert not edit.after.any()


def test_cells_of_an_image_that_is_gone_are_exported_all_the_same(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "one.tif").unlink()

    cellseg("project", "export", folder, "--format", "geojson", "-o", tmp_path / "out")

    content = json.loads((tmp_path / "out" / "one.geojson").read_text())
    assert [one["properties"]["measurements"]["area_px"] for one in content["features"]] == [
        36, 36, 24,
    ]  # fmt: skip


def test_files_find_their_image_by_their_name(folder: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "two_cp_masks.tif", LABELS.astype(np.uint16))

    cellseg("project", "import", folder, tmp_path / "two_cp_masks.tif", "--by-hand")

    with open_project(folder, read_only=True) as project:
        assert project.open_labels(2).sources == {1: "hand", 2: "hand", 3: "hand"}


def test_cells_that_are_there_can_stay(folder: Path, tmp_path: Path) -> None:
    more = np.zeros_like(LABELS)
    more[4:8, 4:8] = 1  # lies on cell 1
    more[14:18, 1:6] = 2
    tifffile.imwrite(tmp_path / "one_labels.tif", more)

    printed = cellseg("project", "import", folder, tmp_path / "one_labels.tif", "--add")

    assert "1 cells from one_labels.tif, 1 lay on others" in printed
    with open_project(folder, read_only=True) as project:
        opened = project.open_labels(1)
        assert opened.sources == {1: "hand", 2: "model", 3: "model", 4: "model"}
        np.testing.assert_array_equal(opened.labels == 4, more == 2)


def test_replaced_cells_do_not_count_as_deleted_by_hand(
    folder: Path, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "one_labels.tif", np.zeros_like(LABELS))

    cellseg("project", "import", folder, tmp_path / "one_labels.tif")

    with open_project(folder, read_only=True) as project:
        opened = project.open_labels(1)
        assert opened.sources == {}
        assert opened.deleted() == []


def test_what_was_known_of_a_cell_is_not_said_of_the_one_that_replaces_it(
    folder: Path, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "one_labels.tif", np.roll(LABELS, 1, axis=0))
    with open_project(folder) as project:
        corners = np.array([[0.0, 0], [0, 18], [10, 18], [10, 0]])
        empty = CheckedArea((), corners + np.array([0, 100]))
        states = dict.fromkeys((1, 2), "accepted")
        project.review(1).save(states, [CheckedArea((), corners), empty])
        project.lineage(1).set_parents({2: 1})

    cellseg("project", "import", folder, tmp_path / "one_labels.tif")

    with open_project(folder, read_only=True) as project:
        assert project.open_labels(1).confidence == {}
        assert project.review(1).states() == {}
        lineage = project.lineage(1)
        assert lineage.parents() == {}
        # Undo, in any later session, brings the mother back.
        ((made_at, difference),) = lineage.steps().items()
        assert with_difference({}, difference) == {2: 1}
        edits = project._connection.execute("SELECT made_at FROM edits").fetchall()
        assert made_at in [row["made_at"] for row in edits]
        (area,) = project.review(1).areas()
        assert area.outline_yx[0, 1] == 100  # nothing changed there


def test_one_bad_file_stops_no_other(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one.geojson").write_text("{")
    tifffile.imwrite(tmp_path / "nobody_labels.tif", LABELS)
    tifffile.imwrite(tmp_path / "two_labels.tif", LABELS)

    printed = cellseg(
        "project", "import", folder, tmp_path / "one.geojson",
        tmp_path / "nobody_labels.tif", tmp_path / "two_labels.tif", code=1,
    )  # fmt: skip

    assert "two.tif: 3 cells" in printed
    assert "failed: one.geojson: one.geojson cannot be read" in printed
    assert "failed: nobody_labels.tif: no image of the project" in printed


def test_cells_of_another_size_are_refused_and_nothing_changes(
    folder: Path, tmp_path: Path
) -> None:
    tifffile.imwrite(tmp_path / "two_labels.tif", LABELS[:10])

    printed = cellseg("project", "import", folder, tmp_path / "two_labels.tif", code=1)

    assert "has 20 × 30" in printed
    with open_project(folder, read_only=True) as project:
        assert not project.images()[1].has_labels


def test_an_unknown_image_is_named(folder: Path, tmp_path: Path) -> None:
    result = RUNNER.invoke(
        app, ["project", "export", str(folder), "-o", str(tmp_path), "--image", "x.tif"]
    )

    assert "has no image x.tif" in str(result.exception)


def test_stacks_are_told_of_and_left_out_of_coco(folder: Path, tmp_path: Path) -> None:
    stack = np.zeros((3, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "z.ome.tif", stack, metadata={"axes": "ZYX"})
    cellseg("project", "add", folder, tmp_path / "z.ome.tif")
    with open_project(folder) as project:
        project.start_labels(3, NewLabels(np.stack([LABELS] * 3), "ZYX"))

    printed = cellseg(
        "project", "export", folder, "--format", "coco", "-o", tmp_path / "o", code=1
    )

    assert "failed: z.ome.tif: COCO holds one plane" in printed
    assert (tmp_path / "o" / "coco.json").is_file()


@pytest.mark.parametrize("name", ["geojson", "coco"])
def test_classes_go_out_and_come_back_on_the_same_cells(
    folder: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    with open_project(folder) as project:
        opened = project.open_labels(1)
        opened.take(assign_class(opened.labels, [1, 3], "dead", {}))
    cellseg("project", "export", folder, "--format", name, "--out", out)
    (file,) = out.iterdir()
    text = file.read_text()
    assert text.count("dead") == (2 if name == "geojson" else 1)
    file.write_text(text.replace("dead", "mitotic"))

    cellseg("project", "import", folder, file, "--image", "one.tif")
    cellseg("project", "import", folder, file, "--image", "two.tif")

    with open_project(folder) as project:
        opened = project.open_labels(1)
        np.testing.assert_array_equal(opened.labels, LABELS)
        assert opened.classes == {1: "mitotic", 3: "mitotic"}
        edit = opened.journal.undo()
        assert edit is not None
        assert updated_classes(opened.classes, edit) == {1: "dead", 3: "dead"}
        assert project.open_labels(2).classes == {1: "mitotic", 3: "mitotic"}


def test_a_file_without_classes_leaves_those_of_the_cells_it_finds_again(
    folder: Path, tmp_path: Path
) -> None:
    with open_project(folder) as project:
        opened = project.open_labels(1)
        opened.take(assign_class(opened.labels, [1, 3], "dead", {}))
    moved = np.where(LABELS == 3, 9, 0).astype(np.int32)
    tifffile.imwrite(tmp_path / "one_labels.tif", moved)

    cellseg("project", "import", folder, tmp_path / "one_labels.tif")

    with open_project(folder) as project:
        assert project.open_labels(1).classes == {9: "dead"}


def test_the_cells_of_a_project_are_measured_as_they_are_now(
    folder: Path, tmp_path: Path
) -> None:
    with open_project(folder) as project:
        project.start_labels(2, NewLabels(LABELS, "YX", SOURCES, {2: 0.5, 3: 0.9}))
    (tmp_path / "two.tif").unlink()

    cellseg("project", "export", folder, "--format", "csv", "-o", tmp_path / "out")

    tables = [pd.read_csv(tmp_path / "out" / f"{n}_cells.csv") for n in ("one", "two")]
    for table in tables:
        assert dict(zip(table["label"], table["source"], strict=True)) == SOURCES
        assert table["area_px"].sum() == (LABELS > 0).sum()
    assert "mean_intensity" in " ".join(tables[0].columns)
    assert "mean_intensity" not in " ".join(tables[1].columns)  # its image is gone
    summary = pd.read_csv(tmp_path / "out" / "summary.csv")
    assert list(summary["n_cells"]) == [3, 3]


def test_tables_of_a_project_that_are_there_are_not_replaced_unasked(
    folder: Path, tmp_path: Path
) -> None:
    command = ("project", "export", folder, "--format", "csv", "-o", tmp_path / "out")
    cellseg(*command)
    cellseg(*command, code=1)
    cellseg(*command, "--overwrite")
