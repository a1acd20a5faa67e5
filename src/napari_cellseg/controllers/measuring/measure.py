"""The table of cells, which follows every edit."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from psygnal import Signal

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.numbers import (
    Histogram,
    TableWords,
    histogram_of,
    number_columns,
    table_words,
)
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.edits import Edit, Source
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.boxes import Box
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.measuring.measure import MeasurementTable, measure_cells
from napari_cellseg.core.types import CellImage, Labels

#: An edit of more pixels is measured off the main thread, from the beginning.
MAX_LIVE_PIXELS = 4_000_000
#: The numbers of more cells follow an edit when things are quiet, not at once.
MAX_LIVE_CELLS = 5_000
NOT_MEASURED = (
    "Cells of an image of this size are counted, not measured. Crop it to measure them."
)


class MeasureController:
    """Measures the cells under correction and keeps the table up to date.

    Attributes
    ----------
    table : MeasurementTable or None
        None until it is measured.
    behind : Signal
        Edits wait to be followed: call `catch_up` when things are quiet.
    """

    changed = Signal()
    behind = Signal()
    selected = Signal(int)

    def __init__(
        self, session: Session, proofread: ProofreadController, task: TaskController
    ) -> None:
        self.session = session
        self.proofread = proofread
        self.task = task
        self._table: MeasurementTable | None = None
        self.selected_cell = 0
        self._missed: list[Edit] = []
        self._is_late = False
        proofread.opened.connect(self._on_opened)
        proofread.edited.connect(self._on_edited)
        session.pixel_size_changed.connect(self.measure)
        session.image_changed.connect(self._on_image_changed)

    @property
    def table(self) -> MeasurementTable | None:
        """The numbers of all cells, with every edit; None until they are measured."""
        if not self.task.is_running:
            self._follow_missed()
        return self._table

    @table.setter
    def table(self, table: MeasurementTable | None) -> None:
        self._missed = []
        self._table = table

    def catch_up(self) -> None:
        """Follow the edits that wait, and tell of it."""
        is_late, self._is_late = self._is_late, False
        if self._missed and not self.task.is_running:
            self._follow_missed()
            is_late = True
        if is_late:
            self.changed.emit()

    def _follow_missed(self) -> None:
        """Measure the cells that the waiting edits changed."""
        missed, self._missed = self._missed, []
        for edit in missed:
            self._follow(edit)

    @property
    def image(self) -> CellImage | None:
        """The image whose intensities are measured; None where it does not fit."""
        image, labels = self.session.image, self.proofread.labels
        if image is None or labels is None or image.labels_shape != labels.shape:
            return None
        return image

    def measure(self) -> None:
        """Measure all cells, off the main thread."""
        labels = self.proofread.labels
        self._missed = []
        if labels is None or is_on_disk(labels):
            self.task.abandon()
            self.table = None
            self.changed.emit()
            return
        job = _measure_job(
            self.image,
            labels,
            self.proofread.model_confidence,
            dict(self.proofread.sources),
            dict(self.proofread.classes),
        )
        self.task.start("Measuring", job, self._take)

    @property
    def words(self) -> TableWords:
        """Count, density and origin of the cells."""
        if self._large is not None:
            return TableWords(f"{self.proofread.n_cells:,} cells", "", "", NOT_MEASURED)
        fits = self.session.image is None or self.image is not None
        return table_words(self.table, is_measuring=self.task.is_running, fits=fits)

    @property
    def _large(self) -> CellLabels | None:
        """The cells, if they are too many pixels to be measured at once."""
        cells = self.proofread.cells
        return cells if cells is not None and cells.is_large else None

    @property
    def rows_to_judge(self) -> pd.DataFrame | None:
        """What the review judges cells by; of large labels their areas only."""
        if self._large is None:
            return None if self.table is None else self.table.cells
        ids, counts = self._large.index.counts()
        return pd.DataFrame({"label": ids, "area_px": counts, "solidity": np.nan})

    @property
    def number_columns(self) -> list[str]:
        """The columns that a histogram can be made of."""
        return number_columns(self.table)

    def histogram(self, column: str) -> Histogram | None:
        """Return the bars of a column, None without values."""
        return histogram_of(self.table, column)

    def select(self, cell: int) -> None:
        """Select a cell, 0 for none; told once."""
        if cell != self.selected_cell:
            self.selected_cell = cell
            self.selected.emit(cell)

    def place_of(self, cell: int) -> tuple[float, ...] | None:
        """Return the centre of a cell, on its largest section, None if it is not there.

        In pixels of the labels. Of large labels it is the middle of the cell's box.
        """
        if self._large is not None:
            return _middle(self._large.index.boxes([cell]).get(cell))
        if self.table is None:
            return None
        rows = self.table.cells
        rows = rows[rows["label"] == cell]
        if rows.empty:
            return None
        planes = [name for name in ("frame", "z_plane", "plane") if name in rows]
        row = rows.iloc[int(rows["area_px"].argmax())]
        return (
            *(float(row[name]) for name in planes),
            float(row["centroid_y_px"]),
            float(row["centroid_x_px"]),
        )

    def shown_diameter_of(self, cell: int) -> float:
        """Return how large a cell is to be shown, in pixels; 0 if it is not there.

        Its equivalent diameter, or the typical one: a crumb tells nothing without its
        neighbours.
        """
        ids, n_pixels = self._areas()
        own = n_pixels[ids == cell]
        return max(_diameter(own.max()), self.typical_diameter_px) if own.size else 0.0

    @property
    def typical_diameter_px(self) -> float:
        """Equivalent diameter of the median cell, 0 without cells."""
        n_pixels = self._areas()[1]
        return _diameter(np.median(n_pixels)) if n_pixels.size else 0.0

    def _areas(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ids, and the pixels of each cell or of each of its sections."""
        if self._large is not None:
            return self._large.index.counts()
        if self.table is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows = self.table.cells
        return rows["label"].to_numpy(np.int64), rows["area_px"].to_numpy(np.int64)

    def cell_at(self, position: tuple[float, ...]) -> int:
        """Return the cell at a position in pixels of the labels, 0 for none."""
        labels = self.proofread.labels
        if labels is None or len(position) != labels.ndim:
            return 0
        index = tuple(round(value) for value in position)
        inside = all(0 <= i < n for i, n in zip(index, labels.shape, strict=True))
        return int(labels[index]) if inside else 0

    def _take(self, table: MeasurementTable) -> None:
        """Take a measured table, and what was edited meanwhile."""
        self._table = table
        self._follow_missed()
        self.changed.emit()

    def _on_opened(self) -> None:
        self.selected_cell = 0
        self.table = None
        self.measure()

    def _on_image_changed(self) -> None:
        if self.proofread.labels is not None:
            self.measure()

    def _on_edited(self, edit: Edit) -> None:
        if self._large is not None:
            self._is_late = True
            self.behind.emit()
        elif self.task.is_running:
            self._missed.append(edit)
        elif self._table is None or edit.before.size > MAX_LIVE_PIXELS:
            self.measure()
        elif len(self._table.cells) > MAX_LIVE_CELLS:
            self._missed.append(edit)
            self.behind.emit()
        else:
            self._follow(edit)
            self.changed.emit()

    def _follow(self, edit: Edit) -> None:
        """Measure the cells that an edit changed."""
        labels = self.proofread.labels
        if self._table is None or labels is None:
            return
        try:
            self._table = self._table.updated(
                self.image,
                labels,
                edit,
                self.proofread.sources,
                self.proofread.model_confidence,
            ).with_classes(self.proofread.classes)
        except (CellsegError, OSError):
            # The image cannot be read. Measuring all says so, and is tried with each edit.
            self._table = None
            self.measure()


def _diameter(n_pixels: float) -> float:
    """Return the diameter of the disc of so many pixels."""
    return math.sqrt(4 * float(n_pixels) / math.pi)


def _middle(placed: tuple[Box, int] | None) -> tuple[float, ...] | None:
    """Return the middle of a cell's box, None if it is not there."""
    if placed is None:
        return None
    return tuple((part.start + part.stop - 1) / 2 for part in placed[0])


def _measure_job(
    image: CellImage | None,
    labels: Labels,
    confidence: Mapping[int, float],
    sources: Mapping[int, Source],
    classes: Mapping[int, str],
) -> Job[MeasurementTable]:
    """Measure all cells; what is edited meanwhile is followed afterwards."""
    yield Progress(0, 0, "measuring")
    # Copied here: of a large image that takes long enough to stop the window.
    own = labels.copy()
    table = measure_cells(image, own, confidence=confidence, sources=sources)
    return table.with_classes(classes)
