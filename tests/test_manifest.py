"""The npe2 manifest: everything it names is there, and nothing heavy is loaded."""

import inspect
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import pytest

npe2 = pytest.importorskip("npe2")

MANIFEST = Path(__file__).parent.parent / "src" / "napari_cellseg" / "napari.yaml"
#: What napari 0.9 shows; any other is dropped without a word.
MENUS = {"napari/layers/segment", "napari/layers/measure"}


@pytest.fixture(scope="module")
def manifest():
    return npe2.PluginManifest.from_file(MANIFEST)


def test_the_package_registers_the_manifest():
    entries = [e.value for e in entry_points(group="napari.manifest")]
    assert "napari_cellseg:napari.yaml" in entries


def test_every_command_exists(manifest):
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        source = (MANIFEST.parent.parent / Path(*module.split("."))).with_suffix(".py")
        text = source.read_text(encoding="utf-8")
        assert f"def {name}(" in text or f"class {name}(" in text


def test_there_is_one_dock_in_both_menus(manifest):
    (widget,) = manifest.contributions.widgets
    assert widget.display_name == "Cell segmentation"
    assert set(manifest.contributions.menus) == MENUS
    for items in manifest.contributions.menus.values():
        assert [item.command for item in items] == [widget.command]


def test_every_sample_can_be_opened(manifest):
    from napari_cellseg.core.synthetic import SAMPLE_NAMES

    samples = manifest.contributions.sample_data
    assert [sample.key for sample in samples] == list(SAMPLE_NAMES)
    commands = {c.id: c.python_name for c in manifest.contributions.commands}
    for sample in samples:
        module, name = commands[sample.command].split(":")
        assert not inspect.signature(getattr(import_module(module), name)).parameters


def test_reading_needs_no_window():
    code = (
        "import sys, napari_cellseg.widgets.contributions\n"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"torch", "boto3", "dask", "napari", "PyQt6"})


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, napari_cellseg\nprint(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    heavy = {"torch", "boto3", "dask", "napari", "qtpy", "numba", "pandas"}
    assert set(done.stdout.split()).isdisjoint(heavy)
