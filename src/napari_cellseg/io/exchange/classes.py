"""Classes of cells from a file: a table, GeoJSON of QuPath, or COCO."""

from __future__ import annotations

import csv
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.measuring.table_columns import CLASS
from napari_cellseg.io.exchange.formats import ImageFrame, read_cells
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.writing.writers import read_csv_rows

LABEL = "label"


def read_classes(path: Path, frame: ImageFrame) -> dict[int, str]:
    """Return the class of each cell that a file gives one, by the cell's number.

    Parameters
    ----------
    path : Path
        A CSV with the columns ``label`` and ``class``, as the window and ``cellseg
        measure`` write it, or cells with classes in GeoJSON or COCO.
    frame : ImageFrame
        Of the labels; a CSV need not fit.

    Raises
    ------
    ImageReadError, LabelsError, LimitError
        If it cannot be read, does not fit, or gives no cell a class.
    """
    if path.suffix.lower() == ".csv":
        classes = _classes_of_table(path)
    else:
        classes = dict(read_cells(path, frame).classes)
    if not classes:
        raise ImageReadError(
            f"{path.name} gives no cell a class. Choose a CSV with the columns '{LABEL}' "
            f"and '{CLASS}', or GeoJSON or COCO with classes."
        )
    return classes


def _classes_of_table(path: Path) -> dict[int, str]:
    """Return the classes of a CSV; a cell of several rows has that of the last one."""
    try:
        with translated(path.name):
            rows = read_csv_rows(path)
    except csv.Error as error:
        raise ImageReadError(
            f"{path.name} is no CSV ({error}). Export the table again."
        ) from error
    if rows and not {LABEL, CLASS} <= rows[0].keys():
        raise ImageReadError(
            f"{path.name} has the columns {', '.join(list(rows[0])[:5])}…; '{LABEL}' and "
            f"'{CLASS}' are needed. Give cells a class in the window, then export."
        )
    with translated(path.name):
        return {int(row[LABEL]): row[CLASS] for row in rows if row[CLASS]}
