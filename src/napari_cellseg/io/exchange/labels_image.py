"""Labels as an image: TIFF, OME-Zarr, and what else can be read as one."""

from __future__ import annotations

from pathlib import Path

from napari_cellseg.io.exchange.cells import Cells, FoundLabels, what_is_lost
from napari_cellseg.io.plain_files import LIMITS
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.io.writing.labels_file import write_labels
from napari_cellseg.io.writing.labels_zarr import write_labels_zarr


def write_tiff(path: str | Path, cells: Cells) -> tuple[str, ...]:
    """Write labels as OME-TIFF and return what was lost; raises as `write_labels`."""
    write_labels(path, cells.labels, axes=cells.axes, pixel_size=cells.pixel_size)
    return what_is_lost(cells, "A TIFF")


def write_zarr(path: str | Path, cells: Cells) -> tuple[str, ...]:
    """Write labels as OME-Zarr and return what was lost; raises `SaveError`."""
    write_labels_zarr(path, cells.labels, axes=cells.axes, pixel_size=cells.pixel_size)
    return what_is_lost(cells, "An OME-Zarr")


def read_labels_image(path: str | Path) -> FoundLabels:
    """Read labels from an image file or an OME-Zarr folder; raises as `read_labels`."""
    return FoundLabels(read_labels(path, limits=LIMITS)[0])
