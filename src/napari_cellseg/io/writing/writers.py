"""Results to files: labels, tables and where the numbers come from.

Every file appears whole or not at all; see `io.atomic`.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.provenance import pixel_size_values
from napari_cellseg.core.tracking.tracks import with_lineage
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.writing.csv_text import original_text, safe_text

#: Ends the name of the table that has one row a cell of a stack.
IN_3D = "_3d"
#: What cannot be UTF-8, such as a broken file name, becomes an escape.
UNKNOWN = "backslashreplace"


def write_cells_csv(
    path: str | Path, table: MeasurementTable, provenance: Mapping[str, Any]
) -> tuple[Path, Path]:
    """Write a table as CSV, and where it comes from as JSON of the same name beside it.

    The CSV is UTF-8 with points as decimal signs and commas between cells; texts are
    quoted and no formula (`io.writing.csv_text`), what is not known is empty. Its first column
    is the name of the image, then come those of the table. Without a cell there is the
    header only. Of a stack with Z it has a row for each section of a cell; then a second
    CSV, ``NAME_3d.csv``, has one row a cell.

    Parameters
    ----------
    path : str or Path
        The CSV; its folder must exist.
    table : MeasurementTable
        What is written.
    provenance : mapping
        See `core.measuring.provenance.provenance`; the summary and the pixel size are added.

    Returns
    -------
    Path, Path
        The CSV and the JSON.

    Raises
    ------
    SaveError
        If one cannot be written.
    """
    cells = _named_tracks(table.cells, table)
    record = {
        **provenance,
        "summary": table.summary,
        "pixel_size_um": pixel_size_values(table.pixel_size),
    }
    if (whole := table.in_3d) is not None:
        csv_path = Path(path)
        whole = _named_tracks(whole, table)
        whole_path = csv_path.with_name(f"{csv_path.stem}{IN_3D}{csv_path.suffix}")
        whole.insert(0, "image", _image_name(provenance), allow_duplicates=True)
        record |= {"table_in_3d": whole_path.name, "columns_in_3d": list(whole.columns)}
        with replacing(whole_path) as new_whole:
            _write_frames(new_whole, [whole])
    return write_cells_in_parts(path, [cells], record)


def write_cells_in_parts(
    path: str | Path, parts: Iterable[pd.DataFrame], record: Mapping[str, Any]
) -> tuple[Path, Path]:
    """Write a table that comes in parts as `write_cells_csv` does; one part is held.

    Parameters
    ----------
    path : str or Path
        The CSV; its folder must exist.
    parts : iterable of pandas.DataFrame
        One at least, all with the same columns; they get that of the image's name.
    record : mapping
        What stands in the JSON, with summary and pixel size.

    Returns
    -------
    Path, Path
        The CSV and the JSON, which appears last.

    Raises
    ------
    SaveError
        If one cannot be written.
    """
    csv_path = Path(path)
    json_path = csv_path.with_suffix(".json")
    if json_path == csv_path:
        raise SaveError(
            f"'{csv_path}' cannot be the table: its description goes to that name. "
            "Choose a name that ends in .csv."
        )
    name = _image_name(record)
    with replacing(json_path) as new_json, replacing(csv_path) as new_csv:
        columns = _write_frames(new_csv, (_with_image(part, name) for part in parts))
        values = {**record, "table": csv_path.name, "columns": columns}
        _write_text(new_json, _json_text(values))
    return csv_path, json_path


def _with_image(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return a copy of rows with the name of the image in front."""
    named = cells.copy(deep=False)
    named.insert(0, "image", name, allow_duplicates=True)
    return named


def _named_tracks(rows: pd.DataFrame, table: MeasurementTable) -> pd.DataFrame:
    """Return a copy of rows with track and parent where cells are linked through time."""
    return rows.copy() if table.parents is None else with_lineage(rows, table.parents)


def write_summary_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one row an image; the columns are those of all rows, in their first order.

    Parameters
    ----------
    path : str or Path
        The CSV.
    rows : sequence of mapping
        Texts, numbers, booleans or None; a missing key is an empty cell.

    Raises
    ------
    SaveError
        If it cannot be written; it is then as it was.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as new, _csv_file(new) as file:
        _write_row(file, map(str, names))
        for row in rows:
            _write_row(file, (row.get(name) for name in names))


def read_csv_rows(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of a CSV written here, with the texts as they were given.

    A spreadsheet may have saved it since: with a mark of UTF-8 in front, and semicolons
    instead of commas where the comma is the decimal sign.

    Raises
    ------
    OSError, UnicodeDecodeError, csv.Error
        If it cannot be read.
    """
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        has_semicolons = ";" in header and "," not in header
        sign = ";" if has_semicolons else ","
        rows = list(csv.DictReader(file, strict=True, delimiter=sign))
    return [
        {
            original_text(name): original_text(value or "")
            for name, value in row.items()
            if name is not None
        }
        for row in rows
    ]


def _image_name(provenance: Mapping[str, Any]) -> str:
    """Return the name of the image, or of the labels where there was no image."""
    image = provenance.get("image")
    if isinstance(image, Mapping):
        return str(image.get("name", ""))
    return Path(str(provenance.get("labels", image or ""))).name


def _write_frames(path: Path, frames: Iterable[pd.DataFrame]) -> list[str]:
    """Write data frames one below the other; return the names of their columns."""
    names: list[str] = []
    with _csv_file(path) as file:
        for frame in frames:
            if not names:
                names = list(frame.columns)
                _write_row(file, map(str, names))
            columns = [frame[name].tolist() for name in names]
            for row in zip(*columns, strict=True):
                _write_row(file, row)
    return names


def _csv_file(path: Path) -> TextIO:
    """Open a CSV to be written."""
    return path.open("w", encoding="utf-8", errors=UNKNOWN, newline="")


def _write_row(file: TextIO, row: Iterable[Any]) -> None:
    """Write a row."""
    file.write(",".join(_cell(value) for value in row) + "\n")


def _cell(value: Any) -> str:
    """Return a cell of a CSV: numbers bare, the unknown empty, all else in quotes.

    In quotes, a text stays one cell whatever separator a program expects.
    """
    if value is None:
        return ""
    if isinstance(value, bool | int | np.bool_ | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return "" if math.isnan(value) else repr(float(value))
    return '"' + safe_text(str(value)).replace('"', '""') + '"'


def _json_text(values: Mapping[str, Any]) -> str:
    """Return JSON without NaN, which is none."""
    plain = _plain(values)
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Return a value with what JSON has no word for put into its words."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value)


def _write_text(path: Path, text: str) -> None:
    """Write a text."""
    path.write_text(text, encoding="utf-8", errors=UNKNOWN, newline="")
