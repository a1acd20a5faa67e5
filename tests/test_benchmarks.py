"""Benchmarks take hours and do not run here; what they import must still be there."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_of_ours_is_there(path: Path) -> None:
    missing = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        module = getattr(node, "module", None) or ""
        if isinstance(node, ast.ImportFrom) and module.startswith("napari_cellseg"):
            found = importlib.import_module(module)
            names = [alias.name for alias in node.names]
            missing += [
                f"{module}.{name}" for name in names if not hasattr(found, name)
            ]
    assert not missing
