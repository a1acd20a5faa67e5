"""Where the cells of a run go: on the screen, or to the image that was left meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from napari.layers import Image
from qtpy.QtCore import QObject

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.projects.large_project import needs_disk, start_large
from napari_cellseg.controllers.segmenting.run_taking import Run
from napari_cellseg.core.editing.rerun import Merged, Region
from napari_cellseg.core.errors import CellsegError, ProjectError
from napari_cellseg.core.types import CellImage
from napari_cellseg.widgets.canvas.layer_images import axes_of, labels_placement
from napari_cellseg.widgets.labels.kept_cells import choice_of, place_text


class RunLink(QObject):
    """Knows which layer a run was started on, and shows what came of it.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Has `viewer`, `segment`, `session`, `header`, `proofread`, `keeper`, `link`,
        `footer` and `teller`.
    """

    def __init__(self, dock: Any) -> None:
        super().__init__(dock)
        self._dock = dock
        self._layer: Image | None = None
        self._image: CellImage | None = None
        dock.segment.recall = self.recall
        dock.segment.finished.connect(self._on_finished)
        dock.segment.arrived.connect(self._on_arrived)

    def begin(self, layer: Image, region: Region | None) -> None:
        """Remember what a run is started on.

        Raises
        ------
        ProjectError
            If the cells of a region of a large image have no place.
        """
        image, segment = self._dock.session.image, self._dock.segment
        self._layer, self._image = layer, image
        if region is None or segment.has_labels or not needs_disk(image):
            return
        if self._dock.link.preparing.is_running:
            raise ProjectError(
                "The cells of this image are still being opened; segment when they are here."
            )
        if start_large(self._dock.projects, image):
            self._dock.link.bring_kept()

    def release(self) -> None:
        """Hold the layer no more."""
        self._layer = None

    def recall(self, image: CellImage) -> CellLabels | None:
        """Return the cells that there are of an image; bring them to where it is shown."""
        dock = self._dock
        if dock.session.shows(image):
            dock.link.bring_kept()
            cells: CellLabels | None = dock.proofread.cells
            return cells
        layer = self._layer_of(image)
        found = None if layer is None else dock.keeper.cells_of_image(layer)
        if found is None:
            with self._telling():
                found = dock.link.kept.find(image)
        known: CellLabels | None = found
        return known

    def _layer_of(self, image: CellImage) -> Image | None:
        """Return the layer of an image, as far as it is still in the viewer."""
        choice = choice_of(self._dock.viewer, place_text(image.source))
        if choice is not None:
            return choice.layers[0]
        layer = self._layer
        if layer not in self._dock.viewer.layers or place_text(image.source):
            return None
        return layer

    def _on_finished(self, run: Run, _merged: Merged, is_new: bool) -> None:  # noqa: FBT001
        """Show new cells of the image that is worked on."""
        dock = self._dock
        if not is_new:
            dock.keeper.note_result(run.notes)
        elif dock.header.choice is not None and dock.proofread.cells is not None:
            self._show(run, dock.proofread.cells, dock.header.choice.layers[0])
        self._end(run)
        dock.teller.show_result()

    def _on_arrived(self, run: Run, cells: CellLabels, is_new: bool) -> None:  # noqa: FBT001
        """Keep the cells of an image that was left: in its layer, or in the project."""
        dock, layer = self._dock, self._layer_of(run.image)
        name = run.image.name
        text = f"The cells of '{name}' are there when you go back to it."
        if not is_new:
            dock.keeper.show_anew(cells)
            dock.projects.save_review(cells, list(cells.states))
            dock.projects.save_lineage(cells)
            dock.link.write_soon()
        elif layer is None and self._keep(run, cells):
            text = f"The cells of '{name}' are in the project."
        elif layer is not None:
            self._lay_by(run, cells, layer)
        elif run.image is self._image and self._layer is not None:
            self._show(run, cells, self._layer)
            text = f"'{name}' is not open any more; its cells are on a layer here."
        else:
            text = ""  # the project could not take them, which stands in the dock
        self._end(run)
        if text:
            dock.footer.tell(text)

    def _end(self, run: Run) -> None:
        """Hold the layer of a run no more; one over the project ends no other."""
        if run.image is self._image:
            self._layer = self._image = None

    def _keep(self, run: Run, cells: CellLabels) -> bool:
        """Take cells into the project, without a layer; say if that could be done."""
        is_kept = False
        with self._telling():
            is_kept = bool(self._dock.link.kept.keep(cells, run.image))
            self._dock.link.write_soon()
        return is_kept

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say in the dock what the project cannot do."""
        try:
            yield
        except CellsegError as error:
            self._dock.footer.tell(str(error), "error")

    def _lay_by(self, run: Run, cells: CellLabels, layer: Image) -> None:
        """Put cells of an image that was left on a layer, without covering what is seen."""
        keeper, selection = self._dock.keeper, self._dock.viewer.layers.selection
        active = selection.active
        self._show(run, cells, layer)
        labels = keeper.layer_of_image(layer)
        if labels is not None:
            labels.visible = layer.visible
        selection.active = active

    def _show(self, run: Run, cells: CellLabels, layer: Image) -> None:
        """Put new cells on a layer, and into the project."""
        name = f"{run.image.name} cells"
        placement = labels_placement(layer, axes_of(layer) or "")
        self._dock.keeper.add_result(cells, name, placement, run.notes, layer)
        self._dock.link.on_result(layer)
