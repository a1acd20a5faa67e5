"""The doctor says what it sees and what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_cellseg import doctor
from napari_cellseg.cli.main import app
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.io.models.folder import read_model_spec
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import save_model

runner = CliRunner()


def test_an_image_with_a_pixel_size_is_ok(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, np.zeros((8, 9), np.uint16), metadata={"axes": "YX", **size})

    finding = doctor.examine_image(path)

    assert finding.state == "ok"
    assert "0.5 µm/px" in finding.seen
    assert "uint16" in finding.seen


def test_an_image_without_a_pixel_size_is_a_warning_with_a_remedy(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8))

    finding = doctor.examine_image(path)

    assert finding.state == "warning"
    assert "--pixel-size" in finding.remedy


def test_a_pixel_as_large_as_a_hand_is_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    size = {"PhysicalSizeX": 5e4, "PhysicalSizeY": 5e4}
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), metadata={"axes": "YX", **size})

    assert doctor.examine_image(path).state == "warning"


def test_a_broken_image_is_a_problem_and_the_exit_code_says_so(tmp_path: Path) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(b"no image")

    result = runner.invoke(app, ["doctor", str(path)])

    assert result.exit_code == 1
    assert "PROBLEM  image 'broken.tif'" in result.output


def test_a_nearly_full_disk_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**10, 10**10, 10**8))

    assert doctor.examine_disk(tmp_path / "not" / "yet").state == "warning"


def test_a_folder_that_cannot_be_written_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_is_writable", lambda _: False)

    finding = doctor.examine_disk(tmp_path)

    assert finding.state == "problem"
    assert "--out" in finding.remedy


def test_a_missing_qt_is_a_warning_for_the_command_line_does_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = subprocess.CompletedProcess(
        [], 1, "", "ImportError: libGL.so.1: not there"
    )
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: broken)

    finding = doctor.examine_qt()

    assert finding.state == "warning"
    assert "libGL.so.1" in finding.seen
    assert "system libraries" in finding.remedy


def test_no_model_at_all_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "list_models", list)

    assert [finding.state for finding in doctor.examine_models()] == ["problem"]


def test_weights_that_were_changed_are_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModelSpec("m", "m", "", "CellNet", (8, 8, 8, 8), 20.0, "")
    save_model(tmp_path, CellNet((8, 8, 8, 8)), spec)
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    monkeypatch.setattr(
        doctor, "list_models", lambda: [(tmp_path, read_model_spec(tmp_path))]
    )

    (finding,) = doctor.examine_models()

    assert finding.state == "problem"
    assert "digest" in finding.seen


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(
    tmp_path: Path,
) -> None:
    assert str(tmp_path) in doctor.examine_disk(tmp_path / "a" / "b").subject


def test_both_sides_of_a_pixel_that_is_not_square_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    size = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), metadata={"axes": "YX", **size})

    assert "0.25 x 0.5 µm/px" in doctor.examine_image(path).seen
