"""What leaves the dock: the table below the image, and its CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_cellseg.controllers.files.export import (
    Saved,
    origin_of,
    proposed_path,
    save_table,
)
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.widgets.basics.footer import Footer
from napari_cellseg.widgets.segmenting.seen import SeenMaps

if TYPE_CHECKING:
    from napari_cellseg.widgets.main import CellSegmentationWidget
    from napari_cellseg.widgets.measuring.below import CellsBelow
    from napari_cellseg.widgets.measuring.table import CellTable

TABLE_NAME = "Cells"


class ResultWriter(QObject):
    """Asks where to, writes off the main thread, and opens the table."""

    def __init__(
        self, dock: CellSegmentationWidget, task: TaskController, footer: Footer
    ) -> None:
        super().__init__(dock)
        self._dock = dock
        self._task = task
        self._footer = footer
        self.below: CellsBelow | None = None
        self.seen = SeenMaps(dock)

    # ----------------------------------------------------------------- the table
    @property
    def table(self) -> CellTable | None:
        """The table, if it is open."""
        return None if self.below is None else self.below.table

    def open_table(self) -> None:
        """Open table and plot below the image, or bring them back."""
        from napari_cellseg.widgets.measuring.below import CellsBelow  # loads pyqtgraph

        dock = self._dock
        self.close_table()
        self.below = CellsBelow(dock.measure, dock.by_class.classes)
        self.below.chosen.connect(self._on_cell_chosen)
        self.below.failed.connect(dock.teller.show_error)
        self.below.gated.connect(dock.colours.only)
        dock.viewer.window.add_dock_widget(self.below, name=TABLE_NAME, area="bottom")

    def close_table(self) -> None:
        """Close table and plot; they can be gone already."""
        below, self.below = self.below, None
        if below is None:
            return
        below.release()
        try:
            self._dock.viewer.window.remove_dock_widget(below)
        except (LookupError, RuntimeError):
            # The person has closed it.
            return
        below.deleteLater()

    def _on_cell_chosen(self, cell: int) -> None:
        measure = self._dock.measure
        measure.select(cell)
        place = measure.place_of(cell)
        if place is not None:
            self._dock.keeper.centre(place)

    # ------------------------------------------------------------------- files
    def ask_csv(self) -> None:
        """Ask for a file name and write the table."""
        name = proposed_path(self._dock.session.image, "_cells.csv")
        path, _ = QFileDialog.getSaveFileName(
            self._dock, "Export the table", name, "CSV (*.csv)"
        )
        if path:
            out = Path(path)
            self.write_csv(out if out.suffix else out.with_name(f"{out.name}.csv"))

    def write_csv(self, path: Path) -> None:
        """Write the table as CSV, with where it comes from as JSON beside it."""
        table = self._dock.measure.table
        if table is None:
            self._footer.tell(
                "There is no table yet. Segment the image first.", "error"
            )
            return
        if self._task.is_running:
            self._footer.tell(
                "Still busy with a file; try again in a moment.", "warning"
            )
            return
        table = self._dock.through_time.tracks.with_parents(table)
        origin = origin_of(self._dock.proofread, self._dock.session.image)
        self._task.start("Writing", save_table(path, table, origin), self._on_saved)

    def _on_saved(self, saved: Saved) -> None:
        self._footer.tell(f"Saved: {saved.words}")
        self._footer.line.setToolTip("\n".join(str(path) for path in saved.paths))
