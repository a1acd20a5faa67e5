"""Image files that are dropped on the canvas go to the dock: channels, pixel size, errors."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from napari.settings import get_settings
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QDragLeaveEvent, QDropEvent

from napari_cellseg.io.sniff import IMAGE_SUFFIXES
from napari_cellseg.project.store import SUFFIX
from napari_cellseg.widgets.images.opening import dropped_paths

READER = "napari-cellseg"


class CanvasDrops(QObject):
    """Opens what is dropped on the canvas while the dock is there.

    napari asks which reader is to open a TIFF, and its own, which it offers first, drops
    pixel size and channels. With Shift or Alt, which mean something to napari, with other
    files among them, and where the person has told napari to remember another reader for
    such files, it is napari that opens them.

    Parameters
    ----------
    viewer : napari viewer
        On whose canvas files are dropped.
    open_files : callable
        Opens paths.
    parent : QObject
        The dock.
    """

    def __init__(
        self, viewer: Any, open_files: Callable[[list[str]], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._open = open_files
        canvas = viewer.window._qt_viewer
        # On an empty canvas it is the welcome that takes what is dropped.
        self._welcome: Any = canvas._welcome_widget
        self._watched = [canvas, self._welcome]
        for widget in self._watched:
            widget.installEventFilter(self)

    def release(self) -> None:
        """Leave everything to napari again; safe to call twice."""
        widgets, self._watched, self._welcome = self._watched, [], None
        for widget in widgets:
            if isalive(widget):  # type: ignore[no-untyped-call]
                widget.removeEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Take a drop of images; leave all else alone."""
        if not isinstance(event, QDropEvent) or event.type() != QEvent.Type.Drop:
            return False
        paths = dropped_paths(event.mimeData())
        is_plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if not paths or not is_plain or not all(map(_is_ours, paths)):
            return False
        event.acceptProposedAction()
        is_welcome = watched is self._welcome
        if is_welcome:
            # It was lit up when the files came over it.
            self._welcome.dragLeaveEvent(QDragLeaveEvent())
        self._open(paths)
        return True


def _is_ours(path: str) -> bool:
    """Say whether we open a file or folder, as far as its name tells."""
    suffix = Path(path).suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        return suffix == SUFFIX or _holds_images(Path(path))
    remembered = get_settings().plugins.extension2reader
    readers = [
        reader for pattern, reader in remembered.items() if fnmatch(path, pattern)
    ]
    return all(reader == READER for reader in readers)


def _holds_images(folder: Path) -> bool:
    """Say whether a path is a folder with images in it."""
    try:
        return any(one.suffix.lower() in IMAGE_SUFFIXES for one in folder.iterdir())
    except OSError:
        return False
