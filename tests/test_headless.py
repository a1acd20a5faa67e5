"""Each floor is imported in a fresh interpreter and must not load what stands above it."""

from __future__ import annotations

import subprocess
import sys

import pytest

GUI = ("napari", "qtpy", "PyQt5", "PyQt6", "PySide6", "magicgui", "superqt", "vispy")
HEAVY = ("torch", "boto3", "dask")

NEVER = {
    "napari_cellseg": (*GUI, *HEAVY, "numpy", "pandas"),
    "napari_cellseg.core.types": (*GUI, *HEAVY, "tifffile", "zarr"),
    "napari_cellseg.core.options": (*GUI, *HEAVY, "numpy"),
    "napari_cellseg.core.segmentation.decode": (*GUI, *HEAVY, "tifffile", "zarr"),
    "napari_cellseg.core.measuring.measure": (*GUI, *HEAVY, "tifffile", "zarr"),
    "napari_cellseg.io.reading.images": (*GUI, *HEAVY),
    "napari_cellseg.io.writing.writers": (*GUI, *HEAVY),
    "napari_cellseg.engines": (*GUI, *HEAVY),
    "napari_cellseg.doctor": (*GUI, *HEAVY),
    "napari_cellseg.cli": (*GUI, *HEAVY, "numpy", "pandas", "tifffile"),
    "napari_cellseg.controllers": (*GUI, *HEAVY),
    "napari_cellseg.nn.inference.local": GUI,
}


def modules_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has after a statement."""
    code = f"import sys\n{statement}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("module", NEVER)
def test_a_floor_loads_nothing_of_the_floors_above(module: str) -> None:
    loaded = modules_after(f"import {module}")

    assert loaded.isdisjoint(NEVER[module])


def test_all_controllers_load_without_a_window() -> None:
    loaded = modules_after(
        "import importlib, pkgutil, napari_cellseg.controllers as floor\n"
        "for item in pkgutil.walk_packages(floor.__path__, floor.__name__ + '.'):\n"
        "    importlib.import_module(item.name)"
    )

    assert loaded.isdisjoint((*GUI, *HEAVY))
