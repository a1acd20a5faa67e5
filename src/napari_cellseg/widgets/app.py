"""napari with the dock and a sample that has just been segmented: ``cellseg app``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QObject, QSize

from napari_cellseg.controllers.engine import Engine
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.canvas.small_screen import largest_window
from napari_cellseg.widgets.contributions import sample_nuclei
from napari_cellseg.widgets.main import CellSegmentationWidget

logger = logging.getLogger(__name__)

DOCK_NAME = "Cell segmentation"
WINDOW = QSize(1440, 900)
#: Layout and drawing settle within this time before the picture is taken.
SETTLE_MILLISECONDS = 1200


class Tour(QObject):
    """Segments the sample, then writes what it was asked for and closes the window.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose image is segmented.
    screenshot, csv : Path or None
        What is written; with both None the window stays open.
    """

    def __init__(
        self, dock: CellSegmentationWidget, screenshot: Path | None, csv: Path | None
    ) -> None:
        super().__init__(dock)
        self._dock = dock
        self._screenshot = screenshot
        self._csv = csv
        self.problem = ""
        self._is_writing = False
        self._picture = Later(self._on_settled, SETTLE_MILLISECONDS, self)
        self._close = Later(self._on_over, 0, self)
        dock.task.changed.connect(self._on_task_changed)
        dock.files.changed.connect(self._on_files_changed)
        dock.measure.changed.connect(self._on_measured)
        dock.measure.task.changed.connect(self._on_measure_task_changed)

    @property
    def is_watched(self) -> bool:
        """True if nobody asked for files, so that the window stays."""
        return self._screenshot is None and self._csv is None

    def start(self) -> None:
        """Segment, as the button does."""
        if reason := self._dock.segment.why_not():
            self._end(reason)
        else:
            self._dock.start()

    def _on_measured(self) -> None:
        """Show the numbers once they are there."""
        if self._dock.measure.table is None or self._is_writing:
            return
        self._is_writing = True
        self._dock.results.open_table()
        self._picture.call()

    def _on_settled(self) -> None:
        """Show the whole image, take the picture, then write the table."""
        self._dock.viewer.reset_view()
        if self.is_watched:
            return
        if self._screenshot is not None:
            self._dock.viewer.screenshot(
                str(self._screenshot), canvas_only=False, flash=False
            )
        if self._csv is None:
            self._end("")
        else:
            self._dock.results.write_csv(self._csv)

    def _on_task_changed(self) -> None:
        task = self._dock.task
        if task.failure is not None and task.state == "failed":
            self._end(task.failure.message)

    def _on_files_changed(self) -> None:
        task = self._dock.files
        if task.failure is not None and task.state == "failed":
            self._end(task.failure.message)
        elif task.state == "done":
            self._end("")

    def _on_measure_task_changed(self) -> None:
        failure = self._dock.measure.task.failure
        if failure is not None:
            self._end(failure.message)

    def _end(self, problem: str) -> None:
        """Close the window when nobody looks at it."""
        self.problem = problem
        if not self.is_watched:
            self._close.call()

    def _on_over(self) -> None:
        self._dock.viewer.close()


def open_app(
    *,
    sample: bool = True,
    screenshot: str | Path | None = None,
    csv: str | Path | None = None,
    engine: Engine | None = None,
) -> None:
    """Open napari with the dock, and segment a sample.

    Parameters
    ----------
    sample : bool
        Begin with a sample that is segmented at once; False opens an empty window.
    screenshot : path or None
        Write a picture of the window there; it then closes by itself.
    csv : path or None
        Write the table of cells there; the window then closes by itself.
    engine : Engine, optional
        None runs models on this computer.

    Raises
    ------
    CellsegError
        If files were asked for and the segmentation or the writing failed.
    """
    viewer = napari.Viewer(title="Cell segmentation")
    dock = CellSegmentationWidget(viewer, engine)
    size = WINDOW.boundedTo(largest_window(dock))
    viewer.window.resize(size.width(), size.height())
    viewer.window.add_dock_widget(dock, name=DOCK_NAME, area="right")
    tour = Tour(
        dock, Path(screenshot) if screenshot else None, Path(csv) if csv else None
    )
    if sample:
        _show_sample(viewer)
        tour.start()
    napari.run()
    if tour.problem and not tour.is_watched:
        raise CellsegError(tour.problem)


def _show_sample(viewer: Any) -> None:
    """Show the sample, as the menu would."""
    for data, values, kind in sample_nuclei():
        viewer.add_layer(napari.layers.Layer.create(data, values, kind))
    viewer.reset_view()
