"""One table over all images of a folder of results."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_cellseg.io.reading.paths import address_key
from napari_cellseg.io.writing.writers import read_csv_rows, write_summary_csv

SUMMARY_NAME = "summary.csv"


def write_summary(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows of a run; rows of other images that are there already stay.

    Parameters
    ----------
    path : Path
        The summary; written nothing to if there are no rows.
    rows : sequence of dict
        One an image, with the path of its file as ``"file"``, and as ``"scene"`` its
        number there if it was named.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    if not rows:
        return
    flat = [_flat(row) for row in rows]
    images = {_image_of(row) for row in flat}
    asked = {(file, "") for file, _ in images}  # "which image of the file?" is answered
    earlier = [
        row
        for row in _read_rows(path)
        if _image_of(row) not in images
        and not (row.get("status") == "failed" and _image_of(row) in asked)
    ]
    write_summary_csv(path, [*earlier, *flat])


def _image_of(row: dict[str, Any]) -> tuple[str, str]:
    """Return file and number in it, as text."""
    return address_key(str(row.get("file"))), str(row.get("scene") or "")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with ``n_by_source``-like parts as columns of their own."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            result.update({f"{name}_{part}": item for part, item in value.items()})
        else:
            result[name] = value
    return result


def _read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows that are there, none if there is no readable summary."""
    try:
        return [dict(row) for row in read_csv_rows(path) if row.get("file")]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
