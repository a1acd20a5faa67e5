"""The dock on a lab server: address and token in, the same cells out."""

import numpy as np
import pytest
from napari.layers import Labels
from qtpy.QtCore import Qt
from tests.servers import TOKEN, serving
from tests.widgets.conftest import wait_idle

from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.widgets.main import CellSegmentationWidget

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")


@pytest.mark.slow
def test_an_image_is_segmented_on_a_server_and_here_alike(make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    dock = CellSegmentationWidget(viewer)
    viewer.window.add_dock_widget(dock)
    viewer.add_image(random_scene(13, (128, 128)).image.plane()[0])
    try:
        with serving() as address:
            place = dock.segment_tab.place
            choose(place, 1)
            place.server.address.setText(address.removeprefix("http://"))
            place.server.token.setText(TOKEN)
            qtbot.mouseClick(place.connect_button, Qt.MouseButton.LeftButton)
            qtbot.waitUntil(
                lambda: not dock.segment.place.current.is_here, timeout=120_000
            )
            assert dock.segment.place.current.address == address
            assert f"runs on {address}" in dock.footer.line.text()
            assert "Runs 'Cells, general'" in place.report.text()
            qtbot.waitUntil(
                lambda: "127.0.0.1" in place.menu.itemText(1), timeout=120_000
            )
            qtbot.mouseClick(place.compare_button, Qt.MouseButton.LeftButton)
            qtbot.waitUntil(
                lambda: "cells both ways" in place.report.text(), timeout=240_000
            )
            assert "identical to the pixel" in place.report.text()
            remote = run(dock, qtbot)
            choose(place, 0)
            qtbot.waitUntil(lambda: dock.segment.place.current.is_here, timeout=120_000)
        local = run(dock, qtbot)
    finally:
        dock.release()
    assert remote.max() > 3
    np.testing.assert_array_equal(remote, local)


def choose(place, index):
    """Choose an entry of the menu as a person does."""
    place.menu.setCurrentIndex(index)
    place.menu.activated.emit(index)


def run(dock, qtbot):
    """Segment, and return the cells."""
    dock.start()
    qtbot.waitUntil(lambda: dock.task.state in ("done", "failed"), timeout=240_000)
    wait_idle(qtbot, dock)
    assert dock.task.state == "done"
    (layer,) = [one for one in dock.viewer.layers if isinstance(one, Labels)]
    return layer.data.copy()
