"""Large labels in napari: an overview of all, and a window that moves with the view.

The overview is a layer of the pyramid in the project, as it was written last. The window
is an ordinary labels layer with a few million pixels, shifted to where they lie. Both are
never seen at once: the window covers what the view shows, or the view is too wide to edit.
Steps are in the journal when they are made, so that the window can move at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.transforms import Affine
from qtpy.QtCore import QObject

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.edit_window import (
    ZOOM_IN,
    View,
    first_window,
    window_of,
)
from napari_cellseg.core.editing.numbering import next_id
from napari_cellseg.core.labels.boxes import Box, start_of
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.canvas.layer_images import KEY, noted
from napari_cellseg.widgets.labels.label_look import bright_colours
from napari_cellseg.widgets.labels.layers import LabelsBinding

OVERVIEW = "overview"
#: The window moves when the view has stood still for so long.
STILL_MILLISECONDS = 120


def is_overview(layer: Any) -> bool:
    """Say whether a layer shows large labels from afar."""
    return noted(layer).get("role") == OVERVIEW


def overview_layer(
    levels: Sequence[Any], name: str, placement: dict[str, Any]
) -> Labels:
    """Return the layer that shows a pyramid; it cannot be painted on."""
    layer = Labels(
        [_Level(level) for level in levels],
        multiscale=True,
        name=f"{name} (overview)",
        metadata={KEY: {"role": OVERVIEW}},
        **placement,
    )
    layer.colormap = bright_colours()
    layer.opacity = 0.5
    return layer


class _Level:
    """A level of a pyramid that napari reads by parts, always as it is on disk."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.shape = tuple(int(n) for n in array.shape)
        self.dtype = np.dtype(array.dtype)
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape, dtype=np.int64))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:  # noqa: FBT001 -- numpy asks so
        return np.asarray(self._array[...], dtype=dtype)


class EditWindow(QObject):
    """Moves the window of large labels, until `release`.

    Parameters
    ----------
    viewer : napari viewer
        Its camera says what is looked at.
    cells : CellLabels
        The labels.
    binding : LabelsBinding
        Of the window's layer.
    overview : Labels or None
        Shown while the view is too wide.
    block : callable
        Told why nothing can be edited now, "" if it can.
    parent : QObject
        The keeper.
    """

    def __init__(
        self,
        viewer: Any,
        cells: CellLabels,
        binding: LabelsBinding,
        overview: Labels | None,
        block: Callable[[str], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._cells = cells
        self._binding = binding
        self._overview = overview
        self._block = block
        self._box: Box | None = None
        self._base = np.asarray(binding.layer.translate, float)
        self._follow_later = Later(self.follow, STILL_MILLISECONDS, self)
        camera, on_view = viewer.scene.camera.events, self._on_view_changed
        self._links = (
            (camera.center, on_view),
            (camera.zoom, on_view),
            (viewer.dims.events.current_step, on_view),
            (binding.layer.events.scale, self._on_scale_changed),
        )
        for event, handler in self._links:
            event.connect(handler)
        binding.start = start_of(first_window(cells.labels.shape))
        self.follow()

    def release(self) -> None:
        """Let go of the camera, and put the window where it began.

        What another tool wrote into the window must have been recorded before.
        """
        self._follow_later.stop()
        for event, handler in self._links:
            event.disconnect(handler)
        first = first_window(self._cells.labels.shape)
        place = self._transform()(start_of(first))
        self._binding.show_window(start_of(first), self._cells.labels[first], place)
        if self._overview is not None:
            self._overview.visible = False
        self._block("")
        self.deleteLater()

    def remove_overview(self) -> None:
        """Take the overview out of the viewer, as its window is gone."""
        overview, self._overview = self._overview, None
        if overview is not None and overview in self._viewer.layers:
            self._viewer.layers.remove(overview)

    @property
    def box(self) -> Box | None:
        """What of the labels can be edited now, None if the view is too wide."""
        return self._box

    @property
    def base(self) -> Any:
        """The translation of a layer of all labels, one number an axis."""
        return self._base

    def _on_view_changed(self, _event: Any) -> None:
        self._follow_later.call()

    def _on_scale_changed(self, _event: Any) -> None:
        self._box = None
        self._follow_later.call()

    def follow(self) -> None:
        """Move the window to what is looked at, or show the overview."""
        self._follow_later.stop()
        if self._binding.is_stroking:
            self._follow_later.call()
            return
        box = window_of(self._view(), self._cells.labels.shape, self._box)
        if box is not None and box != self._box:
            self._move(box)
        if (box is None) != (self._box is None) or self._box is None:
            self._switch(is_near=box is not None)
        self._box = box

    def _move(self, box: Box) -> None:
        """Show another part of the labels in the window."""
        self._binding.notice()
        start = start_of(box)
        transform = self._transform()
        self._binding.show_window(start, self._cells.labels[box], transform(start))
        selected = self._binding.layer.selected_label
        if selected not in self._cells.index.touching(box):
            self._binding.layer.selected_label = next_id(self._cells.index)

    def _switch(self, *, is_near: bool) -> None:
        """Show the window with its tools, or the overview."""
        self._binding.layer.visible = is_near
        if self._overview is not None:
            self._overview.visible = not is_near
        if is_near:
            # napari's keys and brush, and ours, go to the layer that is chosen.
            self._viewer.layers.selection.active = self._binding.layer
        self._block("" if is_near else ZOOM_IN)

    def _transform(self) -> Affine:
        """Return the transform from pixels of all labels to where a layer is put."""
        layer = self._binding.layer
        return Affine(
            scale=layer.scale,
            rotate=layer.rotate,
            shear=layer.shear,
            translate=self._base,
        )

    def _view(self) -> View:
        """Return what the canvas shows, in pixels of the labels."""
        camera = self._viewer.scene.camera
        height, width = self._viewer.window._qt_viewer.canvas.size
        reach = np.array([height, width], float) / (2 * camera.zoom)
        centre = np.asarray(camera.center[-2:], float)
        layer, dims = self._binding.layer, self._viewer.dims
        place = np.asarray(dims.point, float)[-layer.ndim :]
        corners = []
        for sign_y, sign_x in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            world = place.copy()
            world[-2:] = centre + reach * (sign_y, sign_x)
            corners.append(self._to_labels(world))
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        plane = tuple(round(float(at)) for at in low[:-2])
        return View(low[-2:], high[-2:], plane)

    def _to_labels(self, world: Any) -> Any:
        """Return a place of the world in pixels of all labels."""
        placed = self._binding.layer.affine.inverse(world)
        return np.asarray(self._transform().inverse(placed), float)
