"""The formats in which cells are exchanged: one list for the command line and the dock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.exchange.cells import Cells, FoundLabels, fitted
from napari_cellseg.io.foreign import translated

#: The format of which one file holds the cells of many images, and the name of that file.
COCO, COCO_NAME = "coco", "coco.json"
#: So much of a JSON file is looked at to tell GeoJSON from COCO.
HEAD_BYTES = 65536


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """What cells from a file have to fit.

    Attributes
    ----------
    shape : tuple of int
        Of the labels of the image.
    axes : str
        One letter for each of `shape`, such as ``"ZYX"``.
    image_name : str
        File name of the image.
    """

    shape: tuple[int, ...]
    axes: str
    image_name: str


@dataclass(frozen=True, slots=True)
class Format:
    """A format in which cells are exchanged.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    title : str
        What it is called on the screen.
    suffix : str
        Put behind the name of the image.
    patterns : tuple of str
        Of files that may be of this format, for a file dialog.
    write : callable
        Writes `Cells` to a path and returns sentences on what was lost.
    read : callable
        Reads a path for an `ImageFrame`.
    """

    name: str
    title: str
    suffix: str
    patterns: tuple[str, ...]
    write: Callable[[Path, Cells], tuple[str, ...]]
    read: Callable[[Path, ImageFrame], FoundLabels]


def _write_tiff(path: Path, cells: Cells) -> tuple[str, ...]:
    from napari_cellseg.io.exchange.labels_image import write_tiff

    return write_tiff(path, cells)


def _write_zarr(path: Path, cells: Cells) -> tuple[str, ...]:
    from napari_cellseg.io.exchange.labels_image import write_zarr

    return write_zarr(path, cells)


def _read_image(path: Path, frame: ImageFrame) -> FoundLabels:
    from napari_cellseg.io.exchange.labels_image import read_labels_image

    return fitted(read_labels_image(path), frame.shape, frame.image_name)


def _write_seg(path: Path, cells: Cells) -> tuple[str, ...]:
    from napari_cellseg.io.exchange.seg_npy import write_seg_npy

    return write_seg_npy(path, cells)


def _read_seg(path: Path, frame: ImageFrame) -> FoundLabels:
    from napari_cellseg.io.exchange.seg_npy import read_seg_npy

    return fitted(read_seg_npy(path), frame.shape, frame.image_name)


def _write_rois(path: Path, cells: Cells) -> tuple[str, ...]:
    from napari_cellseg.io.exchange.imagej_roi import write_rois

    return write_rois(path, cells)


def _read_rois(path: Path, frame: ImageFrame) -> FoundLabels:
    from napari_cellseg.io.exchange.imagej_roi import read_rois

    return read_rois(path, frame.shape, frame.axes)


def _write_geojson(path: Path, cells: Cells) -> tuple[str, ...]:
    from napari_cellseg.io.exchange.geojson import write_geojson

    return write_geojson(path, cells)


def _read_geojson(path: Path, frame: ImageFrame) -> FoundLabels:
    from napari_cellseg.io.exchange.geojson import read_geojson

    return read_geojson(path, frame.shape, frame.axes)


def _write_coco(path: Path, cells: Cells) -> tuple[str, ...]:
    from napari_cellseg.io.exchange.coco import write_coco

    return write_coco(path, cells)


def _read_coco(path: Path, frame: ImageFrame) -> FoundLabels:
    from napari_cellseg.io.exchange.coco import read_coco

    return read_coco(path, frame.shape, frame.image_name)


#: Reading labels images takes more than we write: whatever can be opened as an image.
FORMATS: tuple[Format, ...] = (
    Format(
        "tiff",
        "Labels (TIFF)",
        "_labels.tif",
        ("*.tif", "*.tiff", "*.png"),
        _write_tiff,
        _read_image,
    ),
    Format(
        "zarr",
        "Labels (OME-Zarr)",
        "_labels.ome.zarr",
        ("*.zarr",),
        _write_zarr,
        _read_image,
    ),
    Format(
        "seg", "Cellpose (_seg.npy)", "_seg.npy", ("*_seg.npy",), _write_seg, _read_seg
    ),
    Format(
        "roi",
        "ImageJ ROIs (zip)",
        "_rois.zip",
        ("*.zip", "*.roi"),
        _write_rois,
        _read_rois,
    ),
    Format(
        "geojson",
        "QuPath (GeoJSON)",
        ".geojson",
        ("*.geojson", "*.json"),
        _write_geojson,
        _read_geojson,
    ),
    Format(COCO, "COCO (JSON)", "_coco.json", ("*.json",), _write_coco, _read_coco),
)
#: Endings of images and their labels, here and in other programs, of more than one part.
KNOWN_ENDINGS = (
    *(one.suffix for one in FORMATS),
    "_labels.ome.tif",
    "_labels.png",
    "_cp_masks.tif",
    "_cp_masks.png",
    "_masks.tif",
    "_masks.png",
    "_mask.tif",
    "_mask.png",
    "_RoiSet.zip",
    ".ome.tif",
    ".ome.tiff",
    ".ome.btf",
    ".ome.zarr",
)


def format_named(name: str) -> Format:
    """Return a format by the name that it has on the command line.

    Raises
    ------
    ImageReadError
        If there is none of this name.
    """
    for one in FORMATS:
        if one.name == name:
            return one
    names = ", ".join(one.name for one in FORMATS)
    raise ImageReadError(f"'{name}' is no format of cells; choose one of {names}.")


def format_of(path: Path) -> Format:
    """Return the format of a file by its name and, for JSON, by how it begins.

    Raises
    ------
    ImageReadError
        If it cannot be read.
    """
    name = path.name.lower()
    if name.endswith(".npy"):
        return format_named("seg")
    if name.endswith((".zip", ".roi")):
        return format_named("roi")
    if name.endswith(".geojson"):
        return format_named("geojson")
    if name.endswith(".json"):
        with translated(path.name), path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        return format_named("geojson" if b'"Feature' in head else COCO)
    return format_named("zarr" if name.endswith(".zarr") else "tiff")


def read_cells(path: Path, frame: ImageFrame) -> FoundLabels:
    """Return the cells of a file of any of the formats.

    Raises
    ------
    ImageReadError, LabelsError, LimitError
        As the reader of its format; always if they do not fit the image.
    """
    return format_of(path).read(path, frame)


def image_stem(path: Path) -> str:
    """Return the name without ending of an image, or of the image that cells belong to."""
    for ending in sorted(KNOWN_ENDINGS, key=len, reverse=True):
        if path.name.lower().endswith(ending.lower()) and len(path.name) > len(ending):
            return path.name[: -len(ending)]
    return path.stem


def dialog_filter() -> str:
    """Return the filter of a file dialog: everything that can be read, then each format."""
    every = " ".join(dict.fromkeys(p for one in FORMATS for p in one.patterns))
    each = [f"{one.title} ({' '.join(one.patterns)})" for one in FORMATS]
    return ";;".join([f"Cells ({every})", *each])
