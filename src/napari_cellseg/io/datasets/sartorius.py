"""Sartorius (Kaggle 2021): ``train.csv`` with a row a cell, and ``train/ID.png``.

A row holds runs of pixels, ``start length start length...``, counted from 1 along the rows.
Cells may overlap; labels cannot, so that smaller ones lie on larger ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from napari_cellseg.core.errors import ImageReadError, LabelsError
from napari_cellseg.core.labels.rle import places_of
from napari_cellseg.io.datasets.source import Source, SourceImage, none_found
from napari_cellseg.io.exchange.cells import FoundCell, FoundLabels, labels_of_cells
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.plain_files import read_index

TABLE_NAME = "train.csv"
NEEDED = ("id", "annotation", "width", "height")
KEPT = ("cell_type", "plate_time", "sample_date", "sample_id", "elapsed_timedelta")
#: Behind it comes the field of a well: shsy5y[diff]_E10-4_Vessel-714_Ph_3.
FIELD = re.compile(r"_Ph_\d+$")


def find_sartorius(folder: Path) -> Source:
    """Return the images of a folder with ``train.csv`` and ``train/``.

    Raises
    ------
    ImageReadError
        If they are not there, or the table has other columns.
    """
    table = folder / TABLE_NAME
    if not table.is_file():
        raise none_found(folder, f"{TABLE_NAME} with its folder train/")
    with translated(table.name):
        rows = read_index(table)
    if not rows or not set(NEEDED) <= set(rows[0]):
        raise ImageReadError(
            f"{TABLE_NAME} has the columns {', '.join(rows[0]) if rows else 'of none'}; "
            f"{', '.join(NEEDED)} are needed. Choose the one of Sartorius."
        )
    by_image: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_image.setdefault(row["id"], []).append(row)
    images, n_missing = [], 0
    for name, cells in sorted(by_image.items()):
        path = folder / "train" / f"{name}.png"
        if not path.is_file():
            n_missing += 1
            continue
        first = cells[0]
        images.append(
            SourceImage(
                name,
                path,
                partial(_labels, cells),
                (table,),
                group=FIELD.sub("", first.get("sample_id") or ""),
                kind=first.get("cell_type") or "Sartorius",
                attributes={key: first[key] for key in KEPT if first.get(key)},
            )
        )
    if not images:
        raise none_found(folder, f"image train/ID.png that {TABLE_NAME} names")
    note = f"{n_missing} images of {TABLE_NAME} are not there and were left out."
    return Source(tuple(images), (note,) if n_missing else ())


def _labels(rows: Sequence[dict[str, str]], shape: tuple[int, ...]) -> FoundLabels:
    """Return the cells of an image from their rows."""
    with translated(TABLE_NAME):
        said = {(int(row["height"]), int(row["width"])) for row in rows}
        if said != {(shape[-2], shape[-1])}:
            raise LabelsError(
                f"{TABLE_NAME} gives the image {rows[0]['id']} the size {sorted(said)}, but "
                f"it has {shape[-2:]} (rows, columns). Take the images of this table."
            )
        cells = []
        for row in rows:
            runs = np.array(row["annotation"].split(), np.int64).reshape(-1, 2)
            places = places_of(runs[:, 0] - 1, runs[:, 1], shape[-2] * shape[-1])
            cells.append(FoundCell(places))
    return labels_of_cells(cells, (shape[-2], shape[-1]))
