"""The wheel that a person installs: complete, and enough by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]

ROOT = Path(__file__).parent.parent
CONSTRAINTS = ROOT / "constraints.txt"


def run(*command: object, cwd: Path) -> str:
    """Return the output of a command that must succeed, away from this checkout."""
    of_this_checkout = ("PYTHON", "PIP_CONSTRAINT")
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(of_this_checkout)
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs' folder of an environment that holds the wheel and its needs."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = (programs / "python", "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS)
    run(*pip, wheel, cwd=folder)
    return programs


@pytest.fixture(scope="module")
def sample() -> Path:
    return ROOT / "sample_data" / "nuclei.tif"


def test_the_wheel_holds_manifest_types_and_model(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {"napari_cellseg/napari.yaml", "napari_cellseg/py.typed"} <= names
    assert any(name.endswith("/model.json") for name in names)
    assert any(name.endswith("/weights.safetensors") for name in names)


def test_the_wheel_holds_nothing_but_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"napari_cellseg"}


def test_the_command_line_works_without_napari_and_qt(
    fresh: Path, sample: Path, tmp_path: Path
) -> None:
    run(fresh / "cellseg", "segment", sample, "--out", tmp_path, cwd=tmp_path)

    code = "import importlib.util as u; print([n for n in ('napari', 'qtpy') if u.find_spec(n)])"
    assert run(fresh / "python", "-c", code, cwd=tmp_path).strip() == "[]"
    assert (tmp_path / "nuclei_labels.tif").exists()
    assert (tmp_path / "summary.csv").exists()
    assert json.loads((tmp_path / "nuclei_cells.json").read_text(encoding="utf-8"))


def test_the_doctor_finds_no_problem(fresh: Path, sample: Path, tmp_path: Path) -> None:
    text = run(fresh / "cellseg", "doctor", sample, cwd=tmp_path)

    assert "PROBLEM" not in text


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Xvfb")
def test_the_window_opens_and_leaves_a_picture_and_the_numbers(
    fresh: Path, wheel: Path, tmp_path: Path
) -> None:
    pip = (fresh / "python", "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS)
    run(*pip, f"{wheel}[napari]", "napari[pyqt6]", cwd=tmp_path)

    on_no_display = ("env", "-u", "DISPLAY", "-u", "WAYLAND_DISPLAY")
    run(*on_no_display, fresh / "cellseg", "app", "--output", tmp_path, cwd=tmp_path)

    assert (tmp_path / "window.png").stat().st_size > 10_000
    assert len((tmp_path / "cells.csv").read_text(encoding="utf-8").splitlines()) > 10
