"""Labels of a file to a table beside it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_cellseg.batch.labels_reading import LabelsReading
from napari_cellseg.core.errors import AmbiguousAxesError, LabelsError, SaveError
from napari_cellseg.core.given_sizes import given_size
from napari_cellseg.core.measuring.measure import (
    MeasurementTable,
    measure_cells,
    measure_labels,
)
from napari_cellseg.core.measuring.provenance import provenance
from napari_cellseg.core.segmentation.region_text import parse_region
from napari_cellseg.core.tracking.tracks import PARENT, Parents
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.io.exchange.classes import read_classes
from napari_cellseg.io.exchange.formats import ImageFrame
from napari_cellseg.io.plain_files import known_json
from napari_cellseg.io.reading.images import read_labels_with_axes, read_one_image
from napari_cellseg.io.reading.paths import address_key, full_address, stem_of
from napari_cellseg.io.writing.finished import LABELS_SUFFIX
from napari_cellseg.io.writing.writers import read_csv_rows, write_cells_csv

#: Cells that a note names.
MAX_NAMED = 10
#: What a record says of image and labels that measuring again does not change.
OF_THE_LABELS = (
    "image",
    "model",
    "options",
    "requested_options",
    "device",
    "reading",
    "image_file",
)


def measure_file(
    labels_path: Path,
    *,
    image: Path | None = None,
    classes: Path | None = None,
    out: Path | None = None,
    reading: LabelsReading = LabelsReading(),  # noqa: B008 -- frozen
    overwrite: bool = False,
) -> tuple[MeasurementTable, Path, list[str]]:
    """Measure the cells of a labels file and write the table.

    Parameters
    ----------
    labels_path : Path
        Labels of any integer type.
    image : Path or None
        Image of the same size that intensities are taken from.
    classes : Path or None
        What kind each cell is, see `io.exchange.classes`.
    out : Path or None
        The CSV; None means ``NAME_cells.csv`` beside the labels.
    reading : LabelsReading
        What the files do not say.

    Returns
    -------
    MeasurementTable, Path, list of str
        The table, where it was written, and what the person should know of it.

    Raises
    ------
    ImageReadError, LabelsError, SaveError
        If a file cannot be read, is no labels, has another size, gives classes to other
        cells only, or the CSV is there already and `overwrite` is False.
    """
    beside = labels_path.with_name(f"{_name_of(labels_path)}_cells.csv")
    path = out or beside
    if path.exists() and not overwrite:
        raise SaveError(
            f"'{path}' is there already. Use --overwrite to replace it, or --out."
        )
    labels, pixel_size, axes = read_labels_with_axes(labels_path, axes=reading.axes)
    earlier = _record_of(beside)
    measured = _image_for(labels, image, _as_before(reading, earlier, image))
    if pixel_size is None and measured is not None:
        pixel_size = measured.pixel_size
    um, z_um = reading.pixel_size_um, reading.z_step_um
    has_planes = "Z" in (measured.labels_axes if measured else axes)
    pixel_size, notes = given_size(pixel_size, um, z_um, has_planes=has_planes)
    if measured is None:
        table = measure_labels(labels, axes, pixel_size=pixel_size)
    else:
        table = measure_cells(measured, labels, pixel_size=pixel_size)
    table = replace(table, parents=_parents_in(beside))
    record = {
        **_kept(earlier, measured),
        **provenance(measured),
        "labels": full_address(labels_path),
        "notes": list(notes),
    }
    if classes is not None:
        frame = ImageFrame(labels.shape, table.axes, labels_path.name)
        given = read_classes(classes, frame)
        table = table.with_classes(given)
        record["classes"] = full_address(classes)
        record["notes"] += _not_there(given, table)
    write_cells_csv(path, table, record)
    return table, path, record["notes"]


def _not_there(given: Mapping[int, str], table: MeasurementTable) -> list[str]:
    """Return a note on classes of cells that the labels do not have.

    Raises
    ------
    LabelsError
        If they have none of the cells: it is the table of other labels.
    """
    absent = sorted(set(given) - set(table.cells["label"]))
    if not absent:
        return []
    named = ", ".join(map(str, absent[:MAX_NAMED]))
    more = f" and {len(absent) - MAX_NAMED} more" if len(absent) > MAX_NAMED else ""
    if len(absent) == len(given):
        raise LabelsError(
            f"None of the {len(given)} cells that are given a class ({named}{more}) is in "
            "the labels. Choose the classes that belong to these labels."
        )
    return [
        f"{len(absent)} of the {len(given)} cells that are given a class are not in the "
        f"labels: {named}{more}."
    ]


def _record_of(path: Path) -> dict[str, Any]:
    """Return the record of the table beside the labels if it names its image, else none."""
    try:
        values = known_json(path.with_suffix(".json"))
        return {**values, "image": {"source": "", **values["image"]}}
    except (ValueError, KeyError, TypeError):
        return {}


def _parents_in(cells_csv: Path) -> Parents | None:
    """Return the mothers that a table of tracks names, None if it is no such table.

    Labels do not hold them: measured again, they would be lost with the old table.
    """
    try:
        rows = read_csv_rows(cells_csv)
        if not rows or PARENT not in rows[0]:
            return None
        return {int(row["label"]): int(row[PARENT]) for row in rows if row[PARENT]}
    except (OSError, ValueError, KeyError, csv.Error):
        return None


def _kept(earlier: dict[str, Any], image: CellImage | None) -> dict[str, Any]:
    """Return what an earlier table says of the same image and of what made the labels."""
    if image is not None and earlier and not _is_source(earlier, image.source):
        return {}
    return {name: earlier[name] for name in OF_THE_LABELS if name in earlier}


def _as_before(
    reading: LabelsReading, earlier: dict[str, Any], image: Path | None
) -> LabelsReading:
    """Return how the image is read: what of its file the labels were made on."""
    read = earlier.get("reading")
    is_said = any((reading.scene, reading.level, reading.region))
    if is_said or image is None or not isinstance(read, dict):
        return reading
    if not _is_source(earlier, full_address(image)):
        return reading
    return replace(
        reading,
        scene=read.get("scene"),
        level=read.get("level") or 0,
        region=read.get("region"),
    )


def _is_source(record: Mapping[str, Any], address: str) -> bool:
    """Say whether a record is of the image at an address."""
    return address_key(str(record["image"]["source"])) == address_key(address)


def _name_of(labels_path: Path) -> str:
    """Return what the labels belong to: ``A01_labels.tif`` belongs to ``A01``."""
    if labels_path.name.endswith(LABELS_SUFFIX):
        return labels_path.name.removesuffix(LABELS_SUFFIX)
    return stem_of(labels_path)


def _image_for(
    labels: Labels, path: Path | None, reading: LabelsReading
) -> CellImage | None:
    """Return the image; raise `LabelsError` if the labels have another size."""
    if path is None:
        return None
    region = None if reading.region is None else parse_region(reading.region)
    read = partial(
        read_one_image, path, reading.scene, level=reading.level, region=region
    )
    try:
        image = read()
    except AmbiguousAxesError:
        image = read(axes=reading.axes)
    if image.labels_shape != labels.shape:
        raise LabelsError(
            f"The labels have the shape {labels.shape}, but '{path}' needs "
            f"{image.labels_shape}. Give the image that they were made from."
        )
    return image
