"""Mutated TIFF files: each is read or refused in one line; none crashes, hangs or escapes."""

from __future__ import annotations

import pytest
from tests.io.read_many import read_in_child
from tests.io.tiff_mutations import base_files, mutations

pytest.importorskip("resource", reason="memory is bounded by RLIMIT_AS")


def _written(folder, files):
    """Write the files and return their paths."""
    paths = []
    for name, content in files:
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    return paths


def test_the_unbroken_files_are_read_or_asked_for(tmp_path):
    files = [(f"{index}.tif", content) for index, content in enumerate(base_files())]
    results = read_in_child(_written(tmp_path, files), tmp_path, 120)
    errors = [result["error"] for result in results]
    assert set(errors) == {None, "AmbiguousAxesError"}
    assert errors.count("AmbiguousAxesError") == 1  # the stack without metadata


def test_broken_files_are_read_or_refused_in_one_line(tmp_path):
    paths = _written(tmp_path, mutations(300, seed=20_260_901))
    results = read_in_child(paths, tmp_path, 120)
    refused = [result for result in results if result["error"]]
    assert 100 < len(refused) < 300
    for result in refused:
        assert "\n" not in result["text"]
        assert len(result["text"]) < 400
        assert ".tif" in result["text"]
    assert all(result["n_read"] > 0 for result in results if not result["error"])
    assert max(result["seconds"] for result in results) < 10
