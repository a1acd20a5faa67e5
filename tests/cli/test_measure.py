"""Labels measured anew from the command line."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import ImageReadError, LabelsError, SaveError

runner = CliRunner()


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Return a labels file with a 3 x 3 and a 2 x 5 cell."""
    array = np.zeros((20, 20), np.uint16)
    array[2:5, 2:5] = 1
    array[10:12, 10:15] = 7
    path = tmp_path / "a_labels.tif"
    tifffile.imwrite(path, array)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_areas_are_counted(labels: Path) -> None:
    result = runner.invoke(app, ["measure", str(labels)])

    assert result.exit_code == 0, result.output
    rows = rows_of(labels.with_name("a_cells.csv"))
    assert [(row["label"], float(row["area_px"])) for row in rows] == [
        ("1", 9),
        ("7", 10),
    ]
    assert "2 cells" in result.output


def test_intensities_come_from_the_image(labels: Path, tmp_path: Path) -> None:
    image = np.full((20, 20), 5, np.uint16)
    image[10:12, 10:15] = 40
    tifffile.imwrite(tmp_path / "a.tif", image)

    runner.invoke(app, ["measure", str(labels), "--image", str(tmp_path / "a.tif")])

    rows = rows_of(labels.with_name("a_cells.csv"))
    (mean,) = [name for name in rows[0] if name.startswith("mean_intensity")]
    assert [float(row[mean]) for row in rows] == [5, 40]


def test_an_image_of_another_size_is_refused(labels: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((20, 21), np.uint8))

    result = runner.invoke(
        app, ["measure", str(labels), "--image", str(tmp_path / "a.tif")]
    )

    assert isinstance(result.exception, LabelsError)
    assert not labels.with_name("a_cells.csv").exists()


def test_a_table_that_is_there_is_not_replaced(labels: Path) -> None:
    labels.with_name("a_cells.csv").write_text("mine", encoding="utf-8")

    result = runner.invoke(app, ["measure", str(labels)])

    assert isinstance(result.exception, SaveError)
    assert labels.with_name("a_cells.csv").read_text(encoding="utf-8") == "mine"


def test_the_pixel_size_gives_micrometres(labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"

    runner.invoke(app, ["measure", str(labels), "--pixel-size", "2", "-o", str(out)])

    assert [float(row["area_um2"]) for row in rows_of(out)] == [36, 40]


def test_classes_become_a_column_and_are_counted(labels: Path, tmp_path: Path) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text("label,class\n1,\n7,dead\n99,mitotic\n")

    result = runner.invoke(app, ["measure", str(labels), "--classes", str(table)])

    assert "2 cells (1 without a class, 1 dead)" in result.output
    written = labels.with_name("a_cells.csv")
    assert [(row["label"], row["class"]) for row in rows_of(written)] == [
        ("1", ""),
        ("7", "dead"),
    ]
    record = json.loads(written.with_suffix(".json").read_text())
    assert record["summary"]["n_by_class"] == {"": 1, "dead": 1}

    again = ["measure", str(labels), "--classes", str(written), "--overwrite"]
    assert "1 dead" in runner.invoke(app, again).output


@pytest.mark.parametrize("sign", [",", ";"])
def test_classes_that_a_spreadsheet_saved_are_read(
    labels: Path, tmp_path: Path, sign: str
) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text(f"label{sign}class\r\n7{sign}dead\r\n", encoding="utf-8-sig")

    result = runner.invoke(app, ["measure", str(labels), "--classes", str(table)])

    assert "1 dead" in result.output


def test_without_classes_there_is_no_column(labels: Path) -> None:
    runner.invoke(app, ["measure", str(labels)])

    assert "class" not in rows_of(labels.with_name("a_cells.csv"))[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("label,area_px\n1,9\n", "'label' and 'class' are needed"),
        ("label,class\n1,\n", "gives no cell a class"),
        ("label,class\nx,dead\n", "kinds.csv"),
    ],
    ids=["no column", "no class", "no number"],
)
def test_a_table_without_classes_is_refused(
    labels: Path, tmp_path: Path, text: str, said: str
) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text(text)

    result = runner.invoke(app, ["measure", str(labels), "--classes", str(table)])

    assert isinstance(result.exception, ImageReadError)
    assert said in str(result.exception)


@pytest.fixture
def column(tmp_path: Path) -> np.ndarray:
    """Return labels of one cell of 2 x 3 pixels on two of three planes."""
    array = np.zeros((3, 10, 12), np.uint16)
    array[1:, 2:4, 5:8] = 1
    return array


def test_a_stack_has_volumes_without_its_image(
    column: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "a_labels.tif"
    size = {f"PhysicalSize{axis}": 0.5 for axis in "XY"} | {"PhysicalSizeZ": 2.0}
    tifffile.imwrite(path, column, ome=True, metadata={"axes": "ZYX", **size})

    result = runner.invoke(app, ["measure", str(path)])

    assert result.exit_code == 0, result.output
    assert [row["z_plane"] for row in rows_of(tmp_path / "a_cells.csv")] == ["1", "2"]
    (row,) = rows_of(tmp_path / "a_cells_3d.csv")
    assert (float(row["volume_px"]), float(row["volume_um3"])) == (12, 6)


def test_what_a_stack_does_not_say_can_be_typed(
    column: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "a_labels.tif"
    tifffile.imwrite(path, column, photometric="minisblack")

    sizes = ["--z-step", "2", "--pixel-size", "0.5"]
    unsaid = runner.invoke(app, ["measure", str(path)])
    has_plane = "plane" in rows_of(tmp_path / "a_cells.csv")[0]
    words = ["measure", str(path), "--axes", "ZYX", *sizes, "--overwrite"]
    said = runner.invoke(app, words)

    assert unsaid.exit_code == 0, unsaid.output
    assert has_plane
    assert said.exit_code == 0, said.output
    assert float(rows_of(tmp_path / "a_cells_3d.csv")[0]["volume_um3"]) == 6


def write_two_images(path: Path) -> None:
    """Write a file with two images of the size of the labels, 5 and 40 bright."""
    with tifffile.TiffWriter(path, ome=True) as file:
        for value in (5, 40):
            file.write(np.full((20, 20), value, np.uint16), metadata={"axes": "YX"})


def mean_intensities(path: Path) -> list[float]:
    rows = rows_of(path)
    (mean,) = [name for name in rows[0] if name.startswith("mean_intensity")]
    return [float(row[mean]) for row in rows]


def test_one_of_several_images_in_a_file_is_measured(
    labels: Path, tmp_path: Path
) -> None:
    write_two_images(tmp_path / "two.ome.tif")
    words = ["measure", str(labels), "--image", str(tmp_path / "two.ome.tif")]

    unsaid = runner.invoke(app, words)
    second = runner.invoke(app, [*words, "--scene", "2"])

    assert "Choose one with --scene" in str(unsaid.exception)
    assert second.exit_code == 0, second.output
    assert mean_intensities(labels.with_name("a_cells.csv")) == [40, 40]


def test_the_image_of_the_file_that_was_segmented_is_measured_again(
    labels: Path, tmp_path: Path
) -> None:
    image = tmp_path / "two.ome.tif"
    write_two_images(image)
    words = ["measure", str(labels), "--image", str(image)]
    record = {"image": {"source": str(image)}, "reading": {"scene": 2}}
    labels.with_name("a_cells.json").write_text(json.dumps(record))

    result = runner.invoke(app, words)

    assert result.exit_code == 0, result.output
    assert mean_intensities(labels.with_name("a_cells.csv")) == [40, 40]


def test_a_table_elsewhere_still_says_which_model_made_the_labels(
    labels: Path, tmp_path: Path
) -> None:
    model = {"name": "cells", "digest": "ab12"}
    record = {"image": {"source": str(tmp_path / "a.tif")}, "model": model}
    labels.with_name("a_cells.json").write_text(json.dumps(record))
    (tmp_path / "far").mkdir()

    runner.invoke(app, ["measure", str(labels), "-o", str(tmp_path / "far" / "t.csv")])

    found = json.loads((tmp_path / "far" / "t.json").read_text(encoding="utf-8"))
    assert found["model"] == model
    assert found["image"]["source"] == str(tmp_path / "a.tif")


def test_a_table_does_not_take_over_the_model_of_the_one_it_replaces(
    labels: Path, tmp_path: Path
) -> None:
    record = {"image": {"source": "/data/b.tif"}, "model": {"name": "of b"}}
    (tmp_path / "b_cells.json").write_text(json.dumps(record))
    table = tmp_path / "b_cells.csv"

    runner.invoke(app, ["measure", str(labels), "-o", str(table), "--overwrite"])

    found = json.loads((tmp_path / "b_cells.json").read_text(encoding="utf-8"))
    assert "model" not in found
    assert "image" not in found
    assert found["labels"] == str(labels)


def test_an_image_named_by_way_of_another_folder_is_the_same_image(
    labels: Path, tmp_path: Path
) -> None:
    image = tmp_path / "a.tif"
    tifffile.imwrite(image, np.zeros((20, 20), np.uint8))
    record = {"image": {"source": str(image)}, "model": {"name": "cells"}}
    labels.with_name("a_cells.json").write_text(json.dumps(record))
    (tmp_path / "far").mkdir()
    named = tmp_path / "far" / ".." / "a.tif"

    runner.invoke(app, ["measure", str(labels), "--image", str(named)])

    found = json.loads(labels.with_name("a_cells.json").read_text(encoding="utf-8"))
    assert found["image"]["source"] == str(image)
    assert found["model"] == {"name": "cells"}


def test_mothers_of_a_series_survive_a_second_measurement(tmp_path: Path) -> None:
    series = np.zeros((2, 20, 20), np.uint16)
    series[0, 4:10, 4:10] = 1
    series[1, 4:10, 4:6] = 2
    series[1, 4:10, 8:10] = 3
    path, table = tmp_path / "a_labels.tif", tmp_path / "a_cells.csv"
    tifffile.imwrite(path, series, ome=True, metadata={"axes": "TYX"})
    # The mother of 3 is 1; that of 2 was taken away by hand, that of 9 is gone.
    table.write_text('"label","parent_id","frame"\n1,,0\n2,,1\n3,1,1\n9,8,1\n')

    result = runner.invoke(app, ["measure", str(path), "--overwrite"])

    assert result.exit_code == 0, result.output
    found = [
        (row["label"], row["track_id"], row["parent_id"]) for row in rows_of(table)
    ]
    assert found == [("1", "1", ""), ("2", "2", ""), ("3", "3", "1")]


@pytest.mark.parametrize("text", ["", '"parent_id"\n1\n', '"label","parent_id"\nx,y\n'])
def test_a_table_that_is_none_of_ours_stops_no_measurement(
    labels: Path, text: str
) -> None:
    labels.with_name("a_cells.csv").write_text(text)

    result = runner.invoke(app, ["measure", str(labels), "--overwrite"])

    assert result.exit_code == 0, result.output


def test_classes_of_cells_that_are_not_there_are_said(
    labels: Path, tmp_path: Path
) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text("label,class\n7,dead\n98,dead\n99,mitotic\n")

    result = runner.invoke(app, ["measure", str(labels), "--classes", str(table)])

    said = "2 of the 3 cells that are given a class are not in the labels: 98, 99."
    assert said in result.output
    record = json.loads(labels.with_name("a_cells.json").read_text())
    assert said in record["notes"]


def test_classes_of_other_labels_are_refused(labels: Path, tmp_path: Path) -> None:
    table = tmp_path / "kinds.csv"
    table.write_text("label,class\n98,dead\n99,mitotic\n")

    result = runner.invoke(app, ["measure", str(labels), "--classes", str(table)])

    assert isinstance(result.exception, LabelsError)
    assert "None of the 2 cells" in str(result.exception)
    assert not labels.with_name("a_cells.csv").exists()


def test_a_region_of_the_image_is_measured(tmp_path: Path) -> None:
    values = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    tifffile.imwrite(tmp_path / "whole.tif", values)
    cell = np.zeros((10, 20), np.uint16)
    cell[2:4, 3:5] = 1
    tifffile.imwrite(tmp_path / "part_labels.tif", cell)
    asked = ["--image", str(tmp_path / "whole.tif"), "--region", "20:30,10:30"]

    runner.invoke(app, ["measure", str(tmp_path / "part_labels.tif"), *asked])

    row = rows_of(tmp_path / "part_cells.csv")[0]
    (mean,) = [name for name in row if name.startswith("mean_intensity")]
    assert float(row[mean]) == values[22:24, 13:15].mean()


def test_a_name_that_the_output_cannot_show_ends_no_measurement(
    labels: Path, tmp_path: Path
) -> None:
    strange = labels.rename(tmp_path / "画像_labels.tif")
    command = [sys.executable, "-m", "napari_cellseg", "measure", str(strange)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert b"2 cells" in done.stdout
    assert rb"\u753b" in done.stdout
