"""Two napari windows in one process."""

from __future__ import annotations

import numpy as np
from qtpy.QtGui import QOpenGLContext

from napari_cellseg.widgets.canvas.canvas import canvas_widget
from napari_cellseg.widgets.main import CellSegmentationWidget


def test_a_layer_is_freed_in_the_context_of_its_own_window(make_napari_viewer, qtbot):
    first, second = make_napari_viewer(), make_napari_viewer()
    dock = CellSegmentationWidget(first)
    first.window.add_dock_widget(dock)
    for viewer in (first, second):
        viewer.add_image(np.eye(32))
        canvas_widget(viewer).grab()  # draws
    seen = []
    first.layers.events.removed.connect(
        lambda: seen.append(QOpenGLContext.currentContext())
    )

    canvas_widget(second).makeCurrent()
    first.layers.clear()

    assert len(seen) == 1
    assert QOpenGLContext.areSharing(seen[0], canvas_widget(first).context())
    assert not QOpenGLContext.areSharing(seen[0], canvas_widget(second).context())
