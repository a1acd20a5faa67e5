"""Every file of the formats set opens right, or says in one sentence why not."""

from __future__ import annotations

import ast
import csv

import pytest
from tests.io.read_many import read_in_child

pytest.importorskip("resource", reason="memory is bounded by RLIMIT_AS")

# Read by other packages that are no dependency, or a picture that stands for a slide.
NOT_READ_HERE = (".czi", ".nd2", ".lif", ".dcm", ".ets", ".vsi")
# One frame of these is too large, and Pillow says so only when it is decoded.
TRAPS = ("decompression_bomb_extents.gif",)
PILLOW_TYPES = {"1": "bool", "L": "uint8", "RGB": "uint8", "RGBA": "uint8", "P": "uint8",
                "I": "int32", "I;16": "uint16"}  # fmt: skip


@pytest.fixture(scope="module")
def rows(shared_data):
    with (shared_data / "formats" / "MANIFEST.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def results(shared_data, rows, tmp_path_factory):
    root = shared_data / "formats"
    paths = [root / name for name in rows]
    found = []
    for index, start in enumerate(range(0, len(paths), 100)):
        folder = tmp_path_factory.mktemp(f"batch{index}")
        found += read_in_child(paths[start : start + 100], folder, 120)
    return dict(zip(rows, found, strict=True))


def test_each_is_an_image_or_one_sentence(results):
    for name, result in results.items():
        text = result.get("text", "")
        assert "\n" not in text, name
        assert len(text) < 400, name
        assert result["error"] is None or name.rsplit("/")[-1] in text, name


def test_none_takes_long(results):
    slowest = max(results.values(), key=lambda result: result["seconds"])
    assert slowest["seconds"] < 10, slowest["path"]


def test_what_others_can_read_is_read_here(rows, results):
    refused = [
        name
        for name, row in rows.items()
        if row["read"].startswith("ok")
        and results[name]["error"] in ("ImageReadError", "LimitError")
        and not name.endswith((*NOT_READ_HERE, *TRAPS))
    ]
    assert refused == []


def test_only_unnamed_stacks_are_asked_for(rows, results):
    asked = {name for name in rows if results[name]["error"] == "AmbiguousAxesError"}
    unnamed = {name for name, row in rows.items() if row["axes"][:1] in ("I", "Q")}
    assert asked == unnamed - {"pillow_tiff/multipage_single_frame_loop.tiff"}


def _sizes(axes, shape, letters):
    """Return the sizes above 1 of the axes in `letters`, in order of size."""
    pairs = zip(axes, shape, strict=True)
    return sorted(n for letter, n in pairs if letter in letters and n > 1)


def test_sizes_agree_with_the_list(rows, results):
    compared = {
        name: (
            _sizes(result["axes"], result["shape"], letters),
            _sizes(axes, ast.literal_eval(rows[name]["shape"]), letters),
        )
        for name, result in results.items()
        for letters, axes in [
            ("TZYX", rows[name]["axes"]) if rows[name]["axes"] else ("YX", "YX")
        ]
        if result["error"] is None and "zarr" not in name
    }
    assert len(compared) > 250
    assert {
        name for name, (found, listed) in compared.items() if found != listed
    } == set()


def test_types_agree_with_the_list(rows, results):
    compared = {
        name: (
            result["dtype"],
            PILLOW_TYPES.get(rows[name]["dtype"], rows[name]["dtype"]),
        )
        for name, result in results.items()
        if result["error"] is None
        and rows[name]["photometric"] not in ("PALETTE", "CIELAB")
        and "zarr" not in name
    }
    assert len(compared) > 250
    assert {
        name for name, (found, listed) in compared.items() if found != listed
    } == set()
