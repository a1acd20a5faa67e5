"""Whole files and JSON opened without trust: sizes first, one sentence for what is wrong."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.limits import GIB, ReadLimits, check_n_bytes

#: Python needs some ten times the size of a JSON file in memory.
LIMITS = replace(ReadLimits(), max_bytes=4 * GIB)


def read_bytes(path: Path, limits: ReadLimits = LIMITS) -> bytes:
    """Return what a file holds, checked by its size first.

    Raises
    ------
    ImageReadError
        If it cannot be read.
    LimitError
        If it is larger than `limits`.
    """
    with translated(path.name):
        n_bytes = path.stat().st_size
        check_n_bytes(path.name, "its content", n_bytes, limits, "Split it.")
        return path.read_bytes()


def read_json(path: Path, limits: ReadLimits = LIMITS) -> Any:
    """Return what a JSON file holds; raises as `read_bytes`, and if it is no JSON."""
    content = read_bytes(path, limits)
    with translated(path.name):
        return json.loads(content)


def known_json(path: Path) -> Any:
    """Return what a JSON file of our own holds, None where it is not there or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; raises `SaveError`."""
    with replacing(path) as new, new.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def read_index(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header, which comes with an image set."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
