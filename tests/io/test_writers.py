"""Tables and their records: safe, readable, whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.measuring.provenance import provenance
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage, PixelSize, SegmentationResult
from napari_cellseg.io.writing.csv_text import original_text
from napari_cellseg.io.writing.labels_file import write_labels
from napari_cellseg.io.writing.writers import (
    read_csv_rows,
    write_cells_csv,
    write_summary_csv,
)

DANGEROUS = [
    "=cmd|' /C calc'!A0", "+1+1.tif", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
    "＝1+1", "＋1", "－1", "＠x", " =1", 'a",=1+1', "a;=1+1", "'=1", "''",
    "zellen µ 細胞.tif",
]  # fmt: skip


def _labels():
    labels = np.zeros((40, 50), np.int32)
    labels[5:15, 5:15] = 3
    labels[0, 0] = 70_000
    return labels


def _image(**values):
    data = np.random.default_rng(0).random((2, 40, 50)) - 0.5
    return CellImage(data, pixel_size=PixelSize(0.5, 0.25), **values)


def _table(image):
    confidence = {3: 0.5}
    return measure_cells(image, _labels(), confidence=confidence)


def _rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


@pytest.mark.parametrize("name", DANGEROUS)
def test_an_image_name_is_data_and_comes_back(name, tmp_path):
    image = _image(name=name)
    path, _ = write_cells_csv(tmp_path / "a.csv", _table(image), provenance(image))
    _, *rows = _rows(path)
    for row in rows:
        assert original_text(row[0]) == name
        assert (
            not row[0].lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
        )
    assert read_csv_rows(path)[0]["image"] == name


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_channel_name_makes_no_formula_of_a_header(name, tmp_path):
    image = _image(channel_names=(name, "b"))
    path, record = write_cells_csv(tmp_path / "a.csv", _table(image), provenance(image))
    header, *_ = _rows(path)
    assert len(header) == len(set(header))
    for cell in header:
        assert cell[0].isalpha()
        assert not set(cell) & set(";\t\r\n")
    assert json.loads(record.read_text("utf-8"))["image"]["channels"] == [name, "b"]


def test_numbers_come_back_bit_for_bit(tmp_path):
    image = _image()
    table = _table(image)
    path, _ = write_cells_csv(tmp_path / "a.csv", table, provenance(image))
    back = pd.read_csv(path)
    expected = table.cells.assign(image="image")[back.columns]
    pd.testing.assert_frame_equal(back, expected, check_dtype=False, check_exact=True)


def test_negative_numbers_stay_numbers(tmp_path):
    image = _image()
    path, _ = write_cells_csv(tmp_path / "a.csv", _table(image), provenance(image))
    header, first, *_ = _rows(path)
    assert float(first[header.index("min_intensity_channel 1")]) < 0
    assert ',"-' not in path.read_text("utf-8")


def test_the_columns_are_the_image_then_the_table(tmp_path):
    table = _table(_image())
    path, _ = write_cells_csv(tmp_path / "a.csv", table, provenance(_image()))
    assert _rows(path)[0] == ["image", *table.cells]


def test_no_cells_give_a_header_and_no_row(tmp_path):
    table = measure_cells(_image(), np.zeros((40, 50), np.int32))
    path, record = write_cells_csv(tmp_path / "a.csv", table, provenance(_image()))
    assert _rows(path) == [["image", *table.cells]]
    assert json.loads(record.read_text("utf-8"))["summary"]["n_cells"] == 0


def test_the_record_says_where_the_numbers_come_from(tmp_path):
    options = SegmentOptions(diameter_px=30)
    result = SegmentationResult(
        _labels(), np.ones(2, np.float32), "cells", "ab12", options, "CPU"
    )
    image = _image(name="a.tif", source="/data/a.tif")
    values = provenance(image, result, SegmentOptions())
    path, record = write_cells_csv(tmp_path / "a_cells.csv", _table(image), values)
    found = json.loads(record.read_text("utf-8"))
    assert record.name == "a_cells.json"
    assert found["table"] == path.name
    assert found["model"] == {"name": "cells", "digest": "ab12"}
    assert found["options"]["diameter_px"] == 30
    assert found["requested_options"]["diameter_px"] is None
    assert found["image"]["source"] == "/data/a.tif"
    assert found["pixel_size_um"] == {"y": 0.5, "x": 0.25, "z": None}
    by_source = {"model": 1, "edited": 0, "hand": 0, "unknown": 1}
    assert found["summary"]["n_by_source"] == by_source
    packages = {"python", "numpy", "scikit-image", "torch", "napari-cellseg"}
    assert packages <= set(found["versions"])
    assert found["written_at"].endswith("+00:00")


def test_a_record_without_an_image_takes_the_name_of_the_labels(tmp_path):
    table = measure_cells(None, _labels())
    values = {**provenance(None), "labels": "/data/b_labels.tif"}
    path, _ = write_cells_csv(tmp_path / "b.csv", table, values)
    assert _rows(path)[1][0] == "b_labels.tif"


def test_a_table_named_json_is_refused(tmp_path):
    with pytest.raises(SaveError, match=r"\.csv"):
        write_cells_csv(tmp_path / "a.json", _table(_image()), provenance(_image()))


@pytest.mark.skipif(os.name == "nt", reason="Windows names are text")
def test_a_name_that_is_no_text_is_written_as_escapes(tmp_path):
    image = _image(name=os.fsdecode(b"caf\xe9.tif"))
    path, record = write_cells_csv(tmp_path / "a.csv", _table(image), provenance(image))
    assert _rows(path)[1][0] == "caf\\udce9.tif"
    assert "caf" in record.read_text("utf-8")


def test_a_summary_holds_all_columns_of_all_rows(tmp_path):
    path = tmp_path / "summary.csv"
    rows = [
        {"file": "=1.tif", "n_cells": 3, "shift": -2.5},
        {
            "file": "b.tif",
            "error": 'a, "b"\nc',
            "n_cells": np.int64(0),
            "shift": np.nan,
        },
    ]
    write_summary_csv(path, rows)
    assert _rows(path) == [
        ["file", "n_cells", "shift", "error"],
        ["'=1.tif", "3", "-2.5", ""],
        ["b.tif", "0", "", 'a, "b"\nc'],
    ]
    assert read_csv_rows(path)[0]["file"] == "=1.tif"


def test_a_summary_can_be_read_and_written_again_and_again(tmp_path):
    path = tmp_path / "summary.csv"
    write_summary_csv(path, [{"file": "=1.tif", "shift": -2.5}])
    first = path.read_bytes()
    write_summary_csv(path, read_csv_rows(path))
    write_summary_csv(path, read_csv_rows(path))
    assert _rows(path) == [["file", "shift"], ["'=1.tif", "-2.5"]]
    assert first.startswith(b'"file"')


WRITE = """
    import resource, sys
    from pathlib import Path
    import numpy as np
    from napari_cellseg.core.errors import SaveError
    from napari_cellseg.core.measuring.measure import measure_cells
    from napari_cellseg.io.writing.labels_file import write_labels
    from napari_cellseg.io.writing.writers import write_cells_csv
    labels = np.random.default_rng(0).integers(0, 2000, (200, 200)).astype(np.int32)
    table = measure_cells(None, labels)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    folder = Path(sys.argv[1])
    try:
        if sys.argv[2] == "labels":
            write_labels(folder / "a_labels.tif", labels, axes="YX", pixel_size=None)
        else:
            write_cells_csv(folder / "a_cells.csv", table, {})
    except SaveError as error:
        sys.exit(f"SaveError {error}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize("what", ["labels", "cells"])
def test_a_full_disk_leaves_the_old_files_and_nothing_else(what, tmp_path):
    names = ["a_cells.csv", "a_cells.json", "a_labels.tif"]
    for name in names:
        (tmp_path / name).write_text("old")
    code = textwrap.dedent(WRITE)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), what],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr.startswith("SaveError")
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert {path.read_text() for path in tmp_path.iterdir()} == {"old"}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SaveError, match="nowhere"):
        write_summary_csv(tmp_path / "nowhere" / "summary.csv", [{"file": "a"}])


@pytest.mark.parametrize(
    "name", ["=1.tif", "細胞 µ.tif", "a#b%c+d.tif", "x" * 250 + ".tif"]
)
def test_files_of_any_name_can_be_written(name, tmp_path):
    write_labels(tmp_path / name, _labels(), axes="YX", pixel_size=None)
    assert [path.name for path in tmp_path.iterdir()] == [name]
