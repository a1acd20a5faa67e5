"""From labels to numbers: one row a cell, units in the column names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.core.editing.classes import n_by_class
from napari_cellseg.core.editing.edits import Edit, Source
from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.measuring.table_columns import (
    CLASS,
    PLANE_COLUMNS,
    intensity_names,
    ordered_frame,
)
from napari_cellseg.core.measuring.volumes import cell_keys, cells_in_3d, with_volumes
from napari_cellseg.core.measuring.window_columns import LabelledWindow, window_columns
from napari_cellseg.core.types import LABELS_DTYPE, CellImage, Labels, PixelSize

UM2_PER_MM2 = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class MeasurementTable:
    """The numbers of all cells of an image.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row a cell, in rising order of ``label``; a cell that lies on several planes
        has a row for each, because its shape is that of a plane; `core.measuring.volumes` adds
        what is the same on all of them, and makes one row of them. ``frame`` and
        ``z_plane`` (``plane`` where the meaning of the axis is not known) count from 0.
        Pixels and micrometres stand side by side; the latter only where the pixel size
        is known. See `core.measuring.cell_features.shape_columns` for the definitions.
    pixel_size : PixelSize or None
        None if unknown.
    axes : str
        Axes of the labels, ``"?"`` for one whose meaning is not known.
    n_pixels : int
        Pixels of the labels, over all planes.
    n_planes : int
        Z planes of the labels.
    parents : mapping of int to int, or None
        By a daughter its mother, where cells are linked through time; see `core.tracking.tracks`.
    """

    cells: pd.DataFrame
    pixel_size: PixelSize | None
    axes: str
    n_pixels: int
    n_planes: int = 1
    parents: Mapping[int, int] | None = None

    @property
    def in_3d(self) -> pd.DataFrame | None:
        """One row a cell of a stack with Z, see `core.measuring.volumes`; None without one."""
        if "Z" not in self.axes:
            return None
        return cells_in_3d(self.cells, self.pixel_size, self.n_planes)

    @property
    def n_cells(self) -> int:
        """Number of cells; one that lies on several planes counts once."""
        return int(self.cells["label"].nunique())

    @property
    def area_mm2(self) -> float | None:
        """Area of all planes in square millimetres, None without a pixel size."""
        if self.pixel_size is None:
            return None
        return self.n_pixels * self.pixel_size.area_um2 / UM2_PER_MM2

    @property
    def summary(self) -> dict[str, Any]:
        """Return the numbers of the image as plain JSON values.

        None stands for what is not known: areas and density without a pixel size, means
        without a cell. The density is that of the rows, so the mean over planes.
        """
        area_mm2 = self.area_mm2
        density = None if area_mm2 is None else len(self.cells) / area_mm2
        return {
            "n_cells": self.n_cells,
            "area_mm2": area_mm2,
            "density_per_mm2": density,
            "mean_area_px": self._mean("area_px"),
            "mean_area_um2": self._mean("area_um2"),
            **self._volumes(),
            "n_by_source": self.n_by_source,
            **({"n_by_class": self.n_by_class} if CLASS in self.cells else {}),
        }

    def _volumes(self) -> dict[str, float | None]:
        """Return the mean volumes of the cells of a stack with Z, else nothing."""
        once = self.cells.drop_duplicates(cell_keys(self.cells))
        names = [name for name in ("volume_px", "volume_um3") if name in once]
        return {f"mean_{name}": _mean_of(once, name) for name in names}

    @property
    def n_by_source(self) -> dict[str, int]:
        """Number of cells that the model made, that were edited, and made by hand."""
        once = self.cells.drop_duplicates("label")["source"]
        counts = dict.fromkeys(("model", "edited", "hand"), 0)
        found = {str(source): int(n) for source, n in once.value_counts().items()}
        return {**counts, **found}

    @property
    def n_by_class(self) -> dict[str, int]:
        """Number of cells of each class, the most frequent first; "" is no class."""
        if CLASS not in self.cells:
            return {}
        once = self.cells.drop_duplicates("label")
        return n_by_class(dict(zip(once["label"], once[CLASS], strict=True)))

    def with_classes(self, classes: Mapping[int, str]) -> MeasurementTable:
        """Return the table with a column ``class``, or without it if no cell has one."""
        bare = self.cells.drop(columns=CLASS, errors="ignore")
        kinds = [classes.get(cell, "") for cell in bare["label"]] if classes else []
        if not any(kinds):
            return replace(self, cells=bare)
        kind = pd.Series(kinds, index=bare.index, dtype=object)
        keys = ["label", *_plane_names(self.axes)]
        cells = ordered_frame(bare.assign(**{CLASS: kind}), keys)
        return replace(self, cells=cells)

    def _mean(self, column: str) -> float | None:
        return _mean_of(self.cells, column)

    def updated(
        self,
        image: CellImage | None,
        labels: Labels,
        edit: Edit,
        sources: Mapping[int, Source] | None = None,
        confidence: Mapping[int, float] | None = None,
    ) -> MeasurementTable:
        """Return the table after an edit; only the cells that it changed are measured.

        It has no classes: `with_classes` puts them in.

        Parameters
        ----------
        image : CellImage or None
            The image that the table was measured on.
        labels : int32 array
            The labels with the edit applied.
        edit : Edit
            What was applied.
        sources, confidence : mapping, optional
            Of all cells, after the edit; see `measure_cells`.

        Raises
        ------
        LabelsError
            If the labels do not fit the image.
        """
        request = _Request(image, _checked(image, labels), self.axes, self.pixel_size)
        changed = np.array(edit.changed_ids, np.int64)
        planes = list(_planes_of(edit, labels.shape))
        affected = self.cells["label"].isin(changed) & self._lies_on(planes)
        bare = self.cells.drop(columns=CLASS, errors="ignore")
        old = bare[affected]
        parts = [bare[~affected]]
        for index in planes:
            box = _box_to_measure(old, index, edit, self.axes)
            part = request.measure_plane(index, changed.tolist(), box)
            parts.append(part)
        cells = pd.concat([part for part in parts if len(part)] or parts[:1])
        finished = _finished(cells, self.axes, sources, confidence)
        finished = with_volumes(finished, self.axes, self.pixel_size)
        return replace(self, cells=finished)

    def _lies_on(self, planes: list[tuple[int, ...]]) -> NDArray[np.bool_]:
        """Say for each row whether it belongs to one of the planes."""
        names = _plane_names(self.axes)
        if not names:
            return np.ones(len(self.cells), bool)
        keys = self.cells[names].itertuples(index=False, name=None)
        chosen = set(planes)
        return np.fromiter((key in chosen for key in keys), bool, len(self.cells))


def measure_cells(
    image: CellImage | None,
    labels: Labels,
    *,
    pixel_size: PixelSize | None = None,
    confidence: Mapping[int, float] | None = None,
    sources: Mapping[int, Source] | None = None,
) -> MeasurementTable:
    """Measure cells, plane by plane.

    Parameters
    ----------
    image : CellImage or None
        Whose intensities are measured; None: shapes only.
    labels : int32 array
        (Y, X) with T and Z before it where the image has them; ids may have gaps.
    pixel_size : PixelSize, optional
        None: that of the image.
    confidence : mapping of int to float, optional
        From 0 to 1; a cell that is not in it, or was made by hand, has none (NaN).
    sources : mapping of int to Source, optional
        A cell that is not in it counts as ``"model"``. ``"unknown"`` are, of these, those
        that have no `confidence` where that is given, and all where both are None.

    Raises
    ------
    LabelsError
        If the labels are not int32, have another number of axes, or do not fit the
        image.
    """
    checked = _checked(image, labels)
    axes = image.labels_axes if image else ("YX", "?YX", "TZYX")[labels.ndim - 2]
    known_size = pixel_size or (image.pixel_size if image else None)
    request = _Request(image, checked, axes, known_size)
    return _table_of(request, sources, confidence)


def measure_labels(
    labels: Labels, axes: str, *, pixel_size: PixelSize | None = None
) -> MeasurementTable:
    """Measure the shapes of cells without their image, plane by plane.

    Parameters
    ----------
    labels : int32 array
        With the axes `axes`; ids may have gaps.
    axes : str
        Such as ``"ZYX"``; ``"?YX"`` if the meaning of the planes is not known.
    pixel_size : PixelSize or None
        None if unknown.

    Raises
    ------
    LabelsError
        If the labels are not int32, or have another number of axes.
    """
    if len(axes) != labels.ndim or not set(axes[:-2]) <= set(PLANE_COLUMNS):
        raise LabelsError(
            f"Labels of shape {labels.shape} were given the axes '{axes}'; one letter of "
            "T, Z, Y, X is needed for each."
        )
    request = _Request(None, _checked(None, labels), axes, pixel_size)
    return _table_of(request, None, None)


def _table_of(
    request: _Request,
    sources: Mapping[int, Source] | None,
    confidence: Mapping[int, float] | None,
) -> MeasurementTable:
    """Return the table of what is asked for."""
    labels, axes, known_size = request.labels, request.axes, request.pixel_size
    whole = tuple(slice(0, size) for size in labels.shape[-2:])
    planes = np.ndindex(labels.shape[:-2])
    parts = [request.measure_plane(index, None, whole) for index in planes]
    cells = pd.concat([part for part in parts if len(part)] or parts[:1])
    finished = _finished(cells, axes, sources, confidence)
    finished = with_volumes(finished, axes, known_size)
    n_planes = labels.shape[axes.index("Z")] if "Z" in axes else 1
    return MeasurementTable(finished, known_size, axes, labels.size, n_planes)


def _mean_of(rows: pd.DataFrame, column: str) -> float | None:
    """Return the mean of a column, None if there is none or no row."""
    if column not in rows or rows.empty:
        return None
    return float(rows[column].mean())


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    """What is measured, plane by plane."""

    image: CellImage | None
    labels: Labels
    axes: str
    pixel_size: PixelSize | None

    def measure_plane(
        self, index: tuple[int, ...], ids: list[int] | None, box_yx: Box
    ) -> pd.DataFrame:
        """Return the rows of the cells in a box of one plane, without their sources."""
        plane = self.labels[index]
        window = LabelledWindow(plane[box_yx], box_yx, plane.shape)
        columns = window_columns(
            window, self._channels(index, box_yx), self.pixel_size, ids
        )
        numbers = columns.pop("label")
        names = _plane_names(self.axes)
        places = {
            name: np.full(numbers.size, place, np.int64)
            for name, place in zip(names, index, strict=True)
        }
        return pd.DataFrame({"label": numbers, **places, **columns})

    def _channels(
        self, index: tuple[int, ...], box_yx: Box
    ) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield name and values in a box of each channel of one plane."""
        if self.image is not None:
            for channel, name in enumerate(intensity_names(self.image)):
                yield name, _channel(self.image, channel, index, box_yx)


def _checked(image: CellImage | None, labels: Labels) -> Labels:
    """Return labels that fit the image, or raise."""
    if labels.dtype != LABELS_DTYPE or labels.ndim not in (2, 3, 4):
        raise LabelsError(
            f"Labels are int32 with two to four axes; {labels.dtype} of shape "
            f"{labels.shape} was given. Convert them with check_labels."
        )
    if image is not None and image.labels_shape != labels.shape:
        raise LabelsError(
            f"The labels have the shape {labels.shape}, but '{image.name}' needs "
            f"{image.labels_shape}. Choose the image that they were made from."
        )
    return labels


def _plane_names(axes: str) -> list[str]:
    """Return the columns that name the plane of a row."""
    return [PLANE_COLUMNS[axis] for axis in axes[:-2]]


def _channel(
    image: CellImage, channel: int, index: tuple[int, ...], box_yx: Box
) -> NDArray[Any]:
    """Return a box of one channel of one plane."""
    where: dict[str, int | slice] = dict(zip(image.labels_axes, index, strict=False))
    where |= {"C": channel, "Y": box_yx[0], "X": box_yx[1]}
    return np.asarray(image.data[tuple(where[axis] for axis in image.axes)])


def _planes_of(edit: Edit, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the planes that the box of an edit touches."""
    lead = len(shape) - 2
    for offset in np.ndindex(edit.before.shape[:lead]):
        yield tuple(low + step for low, step in zip(edit.start, offset, strict=False))


def _box_to_measure(
    old: pd.DataFrame, index: tuple[int, ...], edit: Edit, axes: str
) -> Box:
    """Return a box of a plane that holds every pixel of the cells that changed.

    What a cell was before lies in its old box, what it gained in the box of the edit.
    """
    for name, place in zip(_plane_names(axes), index, strict=True):
        old = old[old[name] == place]
    box = edit.box[-2:]
    return tuple(
        slice(
            min([part.start, *old[f"bbox_min_{axis}_px"].tolist()]),
            max([part.stop, *old[f"bbox_max_{axis}_px"].tolist()]),
        )
        for axis, part in zip("yx", box, strict=True)
    )


def _finished(
    cells: pd.DataFrame,
    axes: str,
    sources: Mapping[int, Source] | None,
    confidence: Mapping[int, float] | None,
) -> pd.DataFrame:
    """Return rows in their order, with source and confidence."""
    unknown = sources is None and confidence is None
    ids = cells["label"].tolist()
    by_source: Mapping[int, str] = sources or {}
    # Looked up without a loop: after each correction it is done for every cell.
    named = [*map(by_source.get, ids, repeat("unknown" if unknown else "model"))]
    values = np.array([*map((confidence or {}).get, ids, repeat(np.nan))], np.float64)
    source = pd.Series(named, index=cells.index, dtype=object)
    if confidence is not None:
        # Labels that were taken from elsewhere are told from a model's by that alone.
        source[((source == "model") & np.isnan(values)).to_numpy()] = "unknown"
    values[(source == "hand").to_numpy()] = np.nan
    complete = cells.assign(source=source, confidence=values)
    keys = ["label", *_plane_names(axes)]
    return ordered_frame(complete.sort_values(keys, kind="stable"), keys)
