"""One gesture on the canvas: a click, a line, an outline, a circle or a box, drawn live."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_cellseg.widgets.canvas.canvas import CanvasLine
from napari_cellseg.widgets.canvas.layer_images import noted, plain

GestureKind = Literal["click", "line", "path", "outline", "circle", "box"]
CIRCLE_POINTS = 48
#: A drag shorter than this, in pixels, is a click.
CLICK_PX = 3.0
DRAWING = "drawing"


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What a gesture drew, in pixels of the layer.

    Attributes
    ----------
    points_yx : (n, 2) float array
        From press to release.
    plane : tuple of int
        Position on the axes before Y and X.
    """

    points_yx: NDArray[np.float64]
    plane: tuple[int, ...]

    @property
    def length_px(self) -> float:
        """Distance of the first and last point."""
        return float(np.linalg.norm(self.points_yx[-1] - self.points_yx[0]))

    @property
    def is_box(self) -> bool:
        """True if a box was dragged, and not a point clicked."""
        reach = np.abs(self.points_yx[-1] - self.points_yx[0])
        return bool((reach > CLICK_PX).all())

    def moved(self, start: tuple[int, ...]) -> Drawn:
        """Return the same in pixels of labels in which the layer begins at `start`."""
        plane = zip(self.plane, start[:-2], strict=True)
        points = self.points_yx + np.array(start[-2:], float)
        return Drawn(points, tuple(at + low for at, low in plane))


def is_drawing(layer: Any) -> bool:
    """Say whether a layer only shows something, such as where to look, and goes by itself."""
    return noted(plain(layer)).get("role") == DRAWING


class GestureCapture(QObject):
    """Takes the left button on one layer until `stop`, and shows what is drawn.

    Parameters
    ----------
    viewer : napari viewer
        On whose canvas the drawing is shown.
    parent : QObject
        The dock.
    """

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Layer | None = None
        self._kind: GestureKind = "click"
        self._on_done: Callable[[Drawn], None] | None = None
        self._n_started = 0
        self._line = CanvasLine(viewer)

    @property
    def is_active(self) -> bool:
        """True from `start` to `stop`."""
        return self._layer is not None

    def start(
        self, layer: Layer, kind: GestureKind, on_done: Callable[[Drawn], None]
    ) -> None:
        """Call `on_done` for each gesture on a layer, until `stop`."""
        self.stop()
        self._n_started += 1
        self._layer, self._kind, self._on_done = layer, kind, on_done
        self._viewer.layers.selection.active = layer
        layer.mode = "pan_zoom"
        layer.mouse_pan = False
        layer.cursor = "cross"
        layer.mouse_drag_callbacks.insert(0, self._on_layer_dragged)

    def stop(self) -> None:
        """Give the mouse back to napari; safe to call twice."""
        layer, self._layer = self._layer, None
        self._on_done = None
        if layer is not None:
            layer.mouse_drag_callbacks.remove(self._on_layer_dragged)
            layer.mouse_pan = str(layer.mode) == "pan_zoom"
            if str(layer.mode) == "pan_zoom":
                layer.cursor = "standard"
        self._line.hide()

    def drop_gone(self) -> None:
        """Stop where the layer has been taken out of the viewer."""
        if self._layer is not None and self._layer not in self._viewer.layers:
            self.stop()

    def why_not(self) -> str:
        """Return why nothing can be drawn now, or ""."""
        dims = self._viewer.dims
        shown = tuple(dims.displayed)
        if shown != (dims.ndim - 2, dims.ndim - 1):
            return "This works on planes of Y and X: switch the viewer to 2-D."
        return ""

    def shown_plane(self, layer: Layer) -> tuple[int, ...]:
        """Return the leading indices of the plane that is shown of a layer."""
        point = np.asarray(self._viewer.dims.point, float)[-layer.ndim :]
        place = np.asarray(layer.world_to_data(point), float)
        return tuple(round(float(at)) for at in place[:-2])

    def _on_layer_dragged(self, layer: Layer, event: Any) -> Iterator[None]:
        """Collect the points of one gesture."""
        if event.button != 1 or self.why_not():
            return
        points = [self._place(layer, event)]
        turn = self._n_started
        yield
        while event.type == "mouse_move":
            points.append(self._place(layer, event))
            if self._kind != "click" and turn == self._n_started:
                self._draw(points)
            yield
        # napari leaves moves out that follow each other closely: not the end.
        points.append(self._place(layer, event))
        self._line.hide()
        # What was begun with one tool means something else to another.
        if self._on_done is not None and turn == self._n_started:
            plane = tuple(round(float(at)) for at in points[0][:-2])
            self._on_done(Drawn(np.asarray(points, float)[:, -2:], plane))

    def _place(self, layer: Layer, event: Any) -> NDArray[np.float64]:
        return np.asarray(layer.world_to_data(event.position), float)

    def _draw(self, points: list[NDArray[np.float64]]) -> None:
        """Show what is drawn so far."""
        path = np.asarray(points, float)
        if self._kind == "line":
            path = path[[0, -1]]
        elif self._kind == "circle":
            path = _circle(path[0], path[-1])
        elif self._kind == "box":
            path = _rectangle(path[0], path[-1])
        elif self._kind == "outline" and len(path) > 2:
            path = np.vstack([path, path[:1]])
        if len(path) < 2 or self._layer is None:
            return
        world = [self._layer.data_to_world(point)[-2:] for point in path]
        self._line.show(np.asarray(world, float))


def _rectangle(first: NDArray[np.float64], last: NDArray[np.float64]) -> Any:
    """Return a closed rectangle with corners at `first` and `last`, (5, ndim)."""
    corners = np.tile(first, (5, 1))
    corners[1:3, -1] = last[-1]
    corners[2:4, -2] = last[-2]
    return corners


def _circle(first: NDArray[np.float64], last: NDArray[np.float64]) -> Any:
    """Return a circle whose diameter runs from `first` to `last`, (n, ndim)."""
    angles = np.linspace(0, 2 * np.pi, CIRCLE_POINTS)
    centre, reach = (first + last) / 2, np.linalg.norm((last - first)[-2:]) / 2
    circle = np.tile(centre, (CIRCLE_POINTS, 1))
    circle[:, -2] += reach * np.sin(angles)
    circle[:, -1] += reach * np.cos(angles)
    return circle
