"""What is compiled at its first use is used before the window would wait for it."""

import threading

import numpy as np
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.widgets.labels import first_use


def test_a_dock_uses_it_off_the_main_thread_once_an_image_is_there(
    make_dock, monkeypatch, qtbot
):
    used = []
    outlines = first_use.contours

    def noted(labels: np.ndarray, width: int):
        used.append(threading.current_thread())
        return outlines(labels, width)

    monkeypatch.setattr(first_use, "contours", noted)
    dock = make_dock()
    assert not used
    dock.viewer.add_image(squares())
    qtbot.waitUntil(lambda: bool(used))
    wait_idle(qtbot, dock)
    assert threading.main_thread() not in used
