"""Results of a folder or a bucket, listed as they come; a click opens one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
)

from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.watch import WatchController
from napari_cellseg.core.counted import counted
from napari_cellseg.io.writing.finished import FinishedImage
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.basics.words import line_label, say

#: Between two looks; listing a bucket costs next to nothing that often.
LOOK_MILLISECONDS = 10_000
#: The list scrolls where there are more.
MAX_LINES = 6


class WatchPanel(QGroupBox):
    """Asks for a place and lists what is finished there; hidden until it is wanted.

    Parameters
    ----------
    viewer : napari viewer
        For the theme.
    watch : WatchController
        Looks.
    """

    open_wanted = Signal(list)

    def __init__(self, viewer: Any, watch: WatchController) -> None:
        super().__init__("Results of a folder or bucket")
        self._viewer = viewer
        self._watch = watch
        self.later = Later(watch.look, LOOK_MILLISECONDS, self)
        self._build()
        self.hide()
        watch.changed.connect(self.refresh)
        self.refresh()

    def _build(self) -> None:
        self.place = QLineEdit()
        self.place.setPlaceholderText("folder, or s3://bucket/output")
        self.place.setToolTip(
            "Where 'cellseg segment' or the pipeline at AWS puts its results."
        )
        self.place.returnPressed.connect(self._on_watch_clicked)
        self.browse_button = QPushButton("…")
        self.browse_button.setToolTip("Choose a folder of this computer.")
        self.browse_button.setMaximumWidth(2 * self.fontMetrics().height())
        self.browse_button.clicked.connect(self._on_browse_clicked)
        self.watch_button = QPushButton("Watch")
        self.watch_button.clicked.connect(self._on_watch_clicked)
        self.close_button = QPushButton("✕")
        self.close_button.setToolTip("Watch no more, and fold this away.")
        self.close_button.setMaximumWidth(2 * self.fontMetrics().height())
        self.close_button.clicked.connect(self.close_watch)
        self.status = line_label()
        self.list = QListWidget()
        self.list.setToolTip("Click a result to open its image and its cells.")
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(self._on_item_chosen)
        self.list.itemActivated.connect(self._on_item_chosen)
        row = QHBoxLayout()
        for widget in (self.place, self.browse_button, self.watch_button):
            row.addWidget(widget)
        row.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.addLayout(row)
        layout.addWidget(self.status)
        layout.addWidget(self.list)

    def show_panel(self) -> None:
        """Unfold, ready to be typed into."""
        self.show()
        self.place.setFocus()

    def close_watch(self) -> None:
        """Watch no more and fold away."""
        self.later.stop()
        self._watch.stop()
        self.hide()

    def refresh(self) -> None:
        """Follow the controller."""
        watch = self._watch
        self.watch_button.setText("Stop" if watch.is_watching else "Watch")
        self.watch_button.setToolTip(
            "Look no more; what is listed stays."
            if watch.is_watching
            else "Look there every ten seconds, and list what is new."
        )
        self.place.setEnabled(not watch.is_watching)
        self.browse_button.setEnabled(not watch.is_watching)
        self.list.setVisible(bool(watch.results))
        self._tell()
        if [self._key(row) for row in range(self.list.count())] != [
            _line(watch.title(one), one) for one in watch.results
        ]:
            self._fill()
        if watch.is_watching and not watch.task.is_running:
            self.later.call()

    def _tell(self) -> None:
        """Say what is going on in one line."""
        watch = self._watch
        if watch.problem and not watch.task.is_running:
            say(self.status, watch.problem, "error", self._viewer.theme)
            return
        n = len(watch.results)
        found = counted(n, "result")
        if not watch.is_watching:
            text = f"{found} · not watched" if n else "Name a folder or an address."
        elif n:
            text = f"{found} · watching"
        else:
            is_first = watch.task.is_running
            text = "Looking…" if is_first else "Nothing finished yet · watching"
        say(self.status, text, "dim", self._viewer.theme)

    def _key(self, row: int) -> str:
        item = self.list.item(row)
        return "" if item is None else item.text()

    def _fill(self) -> None:
        self.list.clear()
        for result in self._watch.results:
            item = QListWidgetItem(_line(self._watch.title(result), result))
            item.setToolTip(result.found.labels)
            self.list.addItem(item)
        n_lines = min(len(self._watch.results), MAX_LINES) + 1
        self.list.setFixedHeight(n_lines * self.list.fontMetrics().lineSpacing())

    def _on_item_chosen(self, item: QListWidgetItem) -> None:
        paths = self._watch.paths_of(self.list.row(item))
        self.open_wanted.emit(paths)

    def _on_watch_clicked(self) -> None:
        if self._watch.is_watching:
            self.later.stop()
            self._watch.stop()
        elif self.place.text().strip():
            self._watch.watch(self.place.text())

    def _on_browse_clicked(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of results")
        if folder:
            self.place.setText(folder)
            self._watch.watch(folder)


def _line(title: str, result: FinishedImage) -> str:
    """Return a result in one line."""
    cells = "" if result.n_cells is None else f" · {counted(result.n_cells, 'cell')}"
    at = result.found.at.astimezone()
    is_today = at.date() == datetime.now(at.tzinfo).date()
    return f"{title}{cells} · {at:{'%H:%M' if is_today else '%d %b'}}"


class WatchLink:
    """Puts the panel into the dock, and the ways to it into its menus.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Gets the panel below the buttons that open files.
    task : TaskController
        Looks.
    """

    def __init__(self, dock: Any, task: TaskController) -> None:
        self.controller = WatchController(task)
        self.panel = WatchPanel(dock.viewer, self.controller)
        layout = dock.layout()
        layout.insertWidget(layout.indexOf(dock.opener.buttons) + 1, self.panel)
        self.panel.open_wanted.connect(dock.opener.open)
        dock.opener.watch_action.triggered.connect(self.panel.show_panel)
        dock.link.bar.watch_wanted.connect(self.panel.show_panel)
        dock.link.bar.address_wanted.connect(dock.opener.ask_address)
        dock.link.bar.files_wanted.connect(dock.opener.ask)
        dock.link.bar.folder_wanted.connect(dock.opener.ask_folder)

    def release(self) -> None:
        """Look no more and let go of the dock."""
        self.panel.later.stop()
        self.controller.changed.disconnect()
        self.controller.task.abandon()
