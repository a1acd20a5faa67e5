"""Writing what was measured, as a job, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.measuring.provenance import provenance
from napari_cellseg.core.types import CellImage


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written where."""

    words: str
    paths: tuple[Path, ...]


def origin_of(
    proofread: ProofreadController, image: CellImage | None
) -> dict[str, Any]:
    """Return where the numbers come from, as it stands now."""
    origin = None if proofread.cells is None else proofread.cells.origin
    return provenance(image, origin)


def save_table(
    path: Path, table: MeasurementTable, origin: Mapping[str, Any]
) -> Job[Saved]:
    """Write the table as CSV, with its JSON beside it; raises `SaveError`."""
    from napari_cellseg.io.writing.writers import write_cells_csv

    yield Progress(0, 0, "writing the table")
    csv, record = write_cells_csv(path, table, origin)
    words = f"{len(table.cells)} rows in {csv.name}, their origin in {record.name}"
    return Saved(words, (csv, record))


def proposed_name(image: CellImage | None, ending: str) -> str:
    """Return a file name for the results of an image, such as ``"A01_cells.csv"``."""
    stem = "labels" if image is None else Path(image.name).name
    for suffix in (".ome.tiff", ".ome.tif", ".ome.zarr"):
        if stem.lower().endswith(suffix):
            return stem[: -len(suffix)] + ending
    return (Path(stem).stem or "image") + ending


def proposed_path(image: CellImage | None, ending: str) -> str:
    """Return a path for the results of an image: beside it, else in the home folder.

    The folder in which the program was started is often one that cannot be written to.
    """
    folder = Path(image.source).parent if image is not None and image.source else None
    is_here = folder is not None and folder.is_absolute() and folder.is_dir()
    place = folder if is_here and folder is not None else Path.home()
    return str(place / proposed_name(image, ending))
