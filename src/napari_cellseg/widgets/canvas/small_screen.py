"""Screens that are too small for napari's own docks beside ours."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QObject, QSize
from qtpy.QtWidgets import QDockWidget, QWidget

from napari_cellseg.widgets.basics.jobs import Later

#: napari 0.9.2's layer list below the controls of a layer of cells is 593 px high at
#: least, and a title bar comes to that; beside both docks the canvas is to keep 200 px.
NEEDED = QSize(900, 630)
#: What a window's title bar and frame take.
FRAME = QSize(8, 40)


class SmallScreen(QObject):
    """Puts napari's layer docks behind ours where a screen is too small for all of them.

    There the foot of the dock, with its button, would lie below the end of the screen, and
    nothing would be left of the canvas. The person can pull the docks apart again.

    Parameters
    ----------
    viewer : napari viewer
        Whose docks move.
    dock : QWidget
        Ours.
    """

    def __init__(self, viewer: Any, dock: QWidget) -> None:
        super().__init__(dock)
        self._viewer = viewer
        self._dock = dock
        self._later = Later(self.fit, 0, self)

    def fit_soon(self) -> None:
        """Look once napari has placed the dock."""
        self._later.call()

    def release(self) -> None:
        """Look no more."""
        self._later.stop()

    def fit(self) -> None:
        """Let the docks share a place if they must."""
        holder = self._dock.parent()
        if not isinstance(holder, QDockWidget) or holder.isFloating():
            return
        if not is_small(available_size(self._dock)):
            return
        window, canvas = self._viewer.window._qt_window, self._viewer.window._qt_viewer
        for other in (canvas.dockLayerControls, canvas.dockLayerList):
            if not other.isFloating() and not other.isHidden():
                window.tabifyDockWidget(holder, other)
        holder.raise_()
        window.resize(window.size().boundedTo(largest_window(self._dock)))


def available_size(widget: QWidget) -> QSize:
    """Return the size of the screen that a widget is on, without what the system keeps."""
    screen = widget.screen()
    return QSize(NEEDED) if screen is None else screen.availableGeometry().size()


def largest_window(widget: QWidget) -> QSize:
    """Return the size of a window that fills the screen, without its frame."""
    return available_size(widget) - FRAME


def is_small(size: QSize) -> bool:
    """Say whether napari and the dock need more than a size."""
    return size.width() < NEEDED.width() or size.height() < NEEDED.height()
