"""napari's canvas, of which its public interface says nothing."""

from __future__ import annotations

from typing import Any

from qtpy.compat import isalive

from napari_cellseg.widgets.cleanup import Cleanup


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
