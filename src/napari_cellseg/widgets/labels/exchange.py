"""Export and import of cells in the dock: menus, file dialogs, and one question."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QFileDialog,
    QMenu,
    QWidget,
)

from napari_cellseg.controllers.files.exchange import (
    Arrival,
    PreparedImport,
    arrival_of_layer,
    cells_to_write,
    no_cells_yet,
    preparation,
    read_arrival,
    take_import,
    write_cells,
    write_large,
    write_project,
)
from napari_cellseg.controllers.files.export import Saved, proposed_path
from napari_cellseg.controllers.labels.cells_before import is_done_at_once
from napari_cellseg.controllers.projects.large_project import (
    goes_to_disk,
    import_into_large,
)
from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.editing.importing import ImportMode
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.exchange.formats import (
    FORMATS,
    Format,
    dialog_filter,
    format_named,
)
from napari_cellseg.widgets.canvas.layer_images import labels_placement
from napari_cellseg.widgets.labels.import_question import (
    ADD,
    LEAVE,
    REPLACE,
    ImportQuestion,
)
from napari_cellseg.widgets.labels.other_labels import OtherLabels

EXPORT_TIP = "For Cellpose, ImageJ, QuPath and others; or labels as TIFF or OME-Zarr."
IMPORT_TIP = (
    "Cells from a file: labels (TIFF, PNG, OME-Zarr), Cellpose _seg.npy, ImageJ ROIs, "
    "QuPath GeoJSON, COCO. Undo takes them back."
)


class FormatMenu(QMenu):
    """A menu of the formats that cells can be exported in."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget, title: str = "Export cells as") -> None:
        super().__init__(title, parent)
        for one in FORMATS:
            self.offer(one.name, one.title)

    def offer(self, name: str, title: str) -> None:
        """Offer a format below the others."""
        action = QAction(f"{title}…", self)
        action.setData(name)
        action.triggered.connect(self._on_triggered)
        self.addAction(action)

    def _on_triggered(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.chosen.emit(action.data())


class CellExchange(QObject):
    """Asks for files, reads and writes off the main thread, and shows imported cells.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose image and cells they are.
    """

    def __init__(self, dock: Any) -> None:
        super().__init__(dock)
        self._dock = dock
        self._arrival: Arrival | None = None
        self._importing: CellImage | None = None
        self._offered: Labels | None = None
        self._other = OtherLabels(dock)
        self.question = ImportQuestion()
        self.question.answered.connect(self._on_answered)
        layout = dock.layout()
        layout.insertWidget(layout.count() - 1, self.question)
        dock.session.image_changed.connect(self._forget)
        for menu in (dock.measure_tab.format_menu, dock.link.bar.format_menu):
            menu.chosen.connect(self.ask_export)
        dock.link.bar.every_menu.chosen.connect(self.ask_export_all)
        dock.correct_tab.import_wanted.connect(self.ask_import)
        dock.link.bar.import_wanted.connect(self.ask_import)

    def release(self) -> None:
        """Show nothing any more."""
        self._other.release()

    # ---------------------------------------------------------------------- export
    def ask_labels(self) -> None:
        """Ask for a file name and write the cells as TIFF."""
        self.ask_export("tiff")

    def ask_export(self, format_name: str) -> None:
        """Ask for a file name and write the cells in a format."""
        one = format_named(format_name)
        self._dock.keeper.reconcile()
        name = proposed_path(self._dock.session.image, one.suffix)
        path, _ = QFileDialog.getSaveFileName(
            self._dock,
            f"Export cells: {one.title}",
            name,
            f"{one.title} ({' '.join(one.patterns)});;All files (*)",
        )
        if path:
            self.export(Path(path), one)

    def export(self, path: Path, one: Format) -> None:
        """Write the cells to a file; an ending is put on where there is none."""
        dock = self._dock
        if not path.suffix:
            path = path.with_name(path.name + one.suffix)
        try:
            job = self._writing(path, one)
        except CellsegError as error:
            dock.footer.tell(str(error), "error")
            return
        if not self._is_busy():
            dock.files.start("Writing", job, self._on_saved)

    def _writing(self, path: Path, one: Format) -> Job[Saved]:
        """Return the job that writes the cells to a file."""
        dock, image = self._dock, self._dock.session.image
        cells = dock.proofread.cells
        if cells is not None and cells.is_large:
            return write_large(dock.link.projects, image, one, path)
        known = cells_to_write(dock.proofread, image)
        return write_cells(path, one, known, dock.measure.table)

    def ask_export_all(self, format_name: str) -> None:
        """Ask for a folder and write the cells of all images of the project."""
        folder = QFileDialog.getExistingDirectory(
            self._dock, "A folder for the files of all images"
        )
        if folder:
            self.export_all(Path(folder), format_name)

    def export_all(self, out: Path, format_name: str) -> None:
        """Write the cells of all images of the project into a folder."""
        projects = self._dock.link.projects
        if projects.project is None or self._is_busy():
            return
        self._dock.keeper.reconcile()
        projects.write()
        job = write_project(projects.project.folder, format_name, out)
        self._dock.files.start("Writing", job, self._on_saved)

    def _on_saved(self, saved: Saved) -> None:
        self._dock.footer.tell(f"Saved: {saved.words}")
        self._dock.footer.line.setToolTip("\n".join(map(str, saved.paths)))

    def _is_busy(self) -> bool:
        busy: bool = self._dock.files.is_running
        if busy:
            self._dock.footer.tell(
                "Still busy with a file; try again in a moment.", "warning"
            )
        return busy

    # ---------------------------------------------------------------------- import
    def ask_import(self) -> None:
        """Ask for a file and read the cells in it."""
        path, _ = QFileDialog.getOpenFileName(
            self._dock, "Import cells", "", f"{dialog_filter()};;All files (*)"
        )
        if path:
            self.read(Path(path))

    def read(self, path: Path) -> None:
        """Read cells for the image that is shown, and ask what to do with them."""
        image = self._dock.session.image
        if self._is_busy():
            return
        dock = self._dock
        if image is not None and goes_to_disk(
            dock.link.projects, dock.proofread.cells, image
        ):
            self._read_large(path, image)
        else:
            dock.files.start("Reading", read_arrival(path, image), self._on_read)

    def _read_large(self, path: Path, image: CellImage) -> None:
        """Take cells of a file straight into the project; they do not fit into memory."""
        try:
            job = import_into_large(self._dock.link.projects, image, path)
        except CellsegError as error:
            self._dock.footer.tell(str(error), "error")
            return
        self._importing = image
        self._dock.files.start("Importing", job, self._on_large_read)

    def _on_large_read(self, said: str) -> None:
        image, self._importing = self._importing, None
        if image is not None and not self._dock.session.shows(image):
            self._other.put_away(image)
        else:
            self._other.open_again()
        self._dock.footer.tell(f"{said}.")

    def _on_read(self, arrival: Arrival) -> None:
        if not self._dock.session.shows(arrival.image):
            self._tell_left(arrival)
            return
        if not self._fits(arrival):
            self._dock.runs.recall(arrival.image)
        self._arrival = arrival
        n_here = self._dock.proofread.n_cells if self._fits(arrival) else 0
        if n_here or arrival.n_unknown:
            self._dock.footer.tell("")
            self.question.ask(arrival, n_here)
        else:
            self._on_answered(REPLACE)

    def offer_layer(self, layer: Labels) -> bool:
        """Ask what of a layer goes into the cells that the project has of the image.

        Returns False where there are none, or the layer does not fit them: then the layer
        itself can be corrected.
        """
        dock, image = self._dock, self._dock.session.image
        choice, axes = dock.header.choice, dock.header.axes
        if choice is None or axes is None or image is None or layer.multiscale:
            return False
        try:
            cells = dock.link.kept.find(image)
            if (
                cells is None
                or cells.is_large
                or layer.data.shape != cells.labels.shape
            ):
                return False
            arrival = arrival_of_layer(layer.name, layer.data, image)
        except CellsegError as error:
            dock.footer.tell(str(error), "error")
            return True
        if dock.proofread.cells is not cells:
            name = f"{image.name} cells"
            first: Image = choice.layers[0]
            dock.keeper.add_kept(cells, name, labels_placement(first, axes), first)
        self._offered = layer
        self._on_read(arrival)
        return True

    def _fits(self, arrival: Arrival) -> bool:
        labels = self._dock.proofread.labels
        return labels is not None and labels.shape == arrival.image.labels_shape

    def _forget(self) -> None:
        """Ask no more where another image is shown."""
        self._arrival = self._offered = None
        self.question.hide()

    def _on_answered(self, answer: str) -> None:
        arrival, self._arrival = self._arrival, None
        layer, self._offered = self._offered, None
        if arrival is None or answer == LEAVE:
            return
        self._take(arrival, "add" if answer == ADD else "replace", layer)

    def _take(self, arrival: Arrival, mode: ImportMode, layer: Labels | None) -> None:
        """Take cells into what is corrected, and into the project.

        `layer` showed them so far, if one did; it is hidden when they are here.
        """
        unknown: Source = "hand" if self.question.by_hand.isChecked() else "model"
        try:
            self._make_room(arrival)
            job = preparation(self._dock.proofread, arrival, mode, unknown)
            if is_done_at_once(arrival.found.labels.shape):
                self._on_prepared(arrival, mode, layer, run(job))
            elif self._is_busy():
                self._arrival, self._offered = arrival, layer
                self.question.show()
            else:
                taken = partial(self._on_prepared, arrival, mode, layer)
                self._dock.files.start("Importing", job, taken)
        except CellsegError as error:
            self._dock.footer.tell(str(error), "error")

    def _make_room(self, arrival: Arrival) -> None:
        """Show labels that fit, still empty, where there are none."""
        dock = self._dock
        choice, axes = dock.header.choice, dock.header.axes
        if not self._fits(arrival) and choice is not None and axes is not None:
            layer: Image = choice.layers[0]
            cells = no_cells_yet(arrival.image)
            name = f"{arrival.image.name} cells"
            dock.keeper.add_kept(cells, name, labels_placement(layer, axes), layer)
            dock.link.on_result(layer)
        dock.keeper.reconcile()

    def _on_prepared(
        self,
        arrival: Arrival,
        mode: ImportMode,
        layer: Labels | None,
        prepared: PreparedImport,
    ) -> None:
        """Take the cells, or look anew where those here were edited meanwhile."""
        dock = self._dock
        if not dock.session.shows(arrival.image):
            self._tell_left(arrival)
        elif not prepared.before.still_holds(dock.proofread.cells):
            self._take(arrival, mode, layer)
        else:
            dock.footer.tell(take_import(dock.proofread, prepared))
            if layer is not None:
                layer.visible = False
                dock.viewer.layers.selection.active = dock.keeper.layer

    def _tell_left(self, arrival: Arrival) -> None:
        self._dock.footer.tell(
            f"Another image is shown by now; choose '{arrival.image.name}' and import "
            f"{arrival.path.name} again.",
            "warning",
        )
