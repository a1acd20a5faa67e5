"""The cells of a project's images measured: a table each, and one over all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_cellseg.batch.summary import SUMMARY_NAME, write_summary
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.measuring.provenance import provenance
from napari_cellseg.io.writing.writers import write_cells_csv
from napari_cellseg.project.exchange import ExchangeReport, pixels_of
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.store import Project

#: What the format is called, beside those of `io.exchange.formats`.
TABLES, TABLES_TITLE = "csv", "Tables (CSV)"
TABLE_SUFFIX = "_cells.csv"


def write_tables(
    project: Project, images: Mapping[str, ProjectImage], folder: Path
) -> Job[ExchangeReport]:
    """Measure the cells of images as they are now; one that fails stops no other.

    Parameters
    ----------
    project : Project
        Open, to read only or to write.
    images : mapping of str to ProjectImage
        By the name of their table, without its ending.
    folder : Path
        Must exist. Receives ``NAME_cells.csv`` and ``NAME_cells.json`` for each image, and
        ``summary.csv`` with a row an image.

    Raises
    ------
    SaveError
        If the summary cannot be written.
    """
    done: list[str] = []
    failed: list[str] = []
    rows: list[dict[str, Any]] = []
    for place, (name, image) in enumerate(images.items()):
        yield Progress(place, len(images), image.name)
        path = folder / f"{name}{TABLE_SUFFIX}"
        try:
            summary = _write_table(project, image, path)
        except CellsegError as error:
            failed.append(f"{image.name}: {error}")
            rows.append(
                {"file": image.address, "status": "failed", "error": str(error)}
            )
        else:
            done.append(str(path))
            rows.append({"file": image.address, "status": "done", **summary})
    write_summary(folder / SUMMARY_NAME, rows)
    return ExchangeReport(tuple(done), (), tuple(failed))


def _write_table(project: Project, image: ProjectImage, path: Path) -> dict[str, Any]:
    """Write the table of an image and what stands beside it; return its summary."""
    opened = project.open_labels(image.image_id)
    _, size = project.labels_frame(image.image_id)
    pixels = pixels_of(image, opened.labels.shape)
    table = measure_cells(
        pixels,
        opened.labels,
        pixel_size=size,
        sources=opened.sources,
        confidence=opened.confidence,
    )
    parents = project.lineage(image.image_id).parents()
    table = replace(table.with_classes(opened.classes), parents=parents or None)
    write_cells_csv(path, table, provenance(pixels))
    summary: dict[str, Any] = table.summary
    return summary
