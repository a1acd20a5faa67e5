"""napari's canvas, of which its public interface says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive
from vispy.scene.visuals import Line

from napari_cellseg.widgets.basics.cleanup import Cleanup

#: Width of what is drawn, in pixels of the screen.
STROKE_SCREEN_PX = 2.0
#: Above all layers; napari's own overlays lie there, too.
ON_TOP = 10**6


def canvas_widget(viewer: Any) -> Any:
    """Return the QOpenGLWidget on which a viewer draws."""
    return viewer.window._qt_viewer.canvas.native


def free_layers_where_drawn(viewer: Any, cleanup: Cleanup) -> None:
    """Let napari free a removed layer's buffers in the context in which it drew them.

    napari 0.9.2 frees them in whichever OpenGL context is current. With two windows that
    may be the other one's, which then draws from buffers that are gone: the process dies
    of a segmentation fault.
    """
    canvas = canvas_widget(viewer)

    def make_current() -> None:
        if isalive(canvas):  # type: ignore[no-untyped-call]
            canvas.makeCurrent()

    viewer.layers.events.removing.connect(make_current)
    cleanup.add(lambda: viewer.layers.events.removing.disconnect(make_current))


class CanvasLine:
    """A line over all layers that belongs to none: a gesture that is being drawn.

    A layer for each gesture would do as well, but napari takes 0.3 s of the processor to
    add one and take it out again.

    Parameters
    ----------
    viewer : napari viewer
        On whose canvas it is drawn, in 2-D.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._line: Any = None

    @property
    def is_shown(self) -> bool:
        """True if there is something to be seen."""
        return self._line is not None and bool(self._line.visible)

    def show(self, points_yx: NDArray[np.float64]) -> None:
        """Show a line through points, (n, 2), in the world of the viewer."""
        if self._line is None:
            scene = self._viewer.window._qt_viewer.canvas.view.scene
            style = {"color": "yellow", "width": STROKE_SCREEN_PX, "method": "agg"}
            self._line = Line(points_yx[:, ::-1], parent=scene, **style)
            self._line.order = ON_TOP
        self._line.set_data(points_yx[:, ::-1])
        self._line.visible = True

    def hide(self) -> None:
        """Show nothing."""
        if self.is_shown:
            self._line.visible = False
