"""The window "Log": what a container at AWS has printed, as it grows."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtGui import QCloseEvent, QFontDatabase, QGuiApplication
from qtpy.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.aws.cloud_log import MAX_LINES, LogController
from napari_cellseg.core.cloud_options import AccountOptions
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.widgets.basics.buttons import dialog_button

TITLE = "Log"
SIZE = (820, 520)
LOOK_MILLISECONDS = 5_000


class LogWindow(QDialog):
    """Shows a log and follows it while it is open.

    Parameters
    ----------
    log : LogController
        Reads it.
    parent : QWidget, optional
        The window closes with it.
    """

    def __init__(self, log: LogController, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._log = log
        self._account = AccountOptions()
        self.setWindowTitle(TITLE)
        self.resize(*SIZE)
        self._build()
        self._clock = QTimer(self)
        self._clock.setInterval(LOOK_MILLISECONDS)
        self._clock.timeout.connect(log.look)
        log.lines_came.connect(self._on_lines_came)
        log.changed.connect(self.refresh)
        self.refresh()

    def _build(self) -> None:
        self.name = QLineEdit()
        self.name.setPlaceholderText("endpoint, training job or batch job")
        self.name.returnPressed.connect(self._on_show_clicked)
        self.show_button = dialog_button("Show", "Read its log from the beginning on.")
        self.show_button.clicked.connect(self._on_show_clicked)
        self.stop_button = dialog_button(
            "Stop following", "Keep what is here; read no more."
        )
        self.stop_button.clicked.connect(self._log.stop)
        self.copy_button = dialog_button("Copy all", "Put every line on the clipboard.")
        self.copy_button.clicked.connect(self._on_copy_clicked)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setMaximumBlockCount(MAX_LINES)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.status = QLabel()
        self.status.setWordWrap(True)
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for part in (QLabel("Of"), self.name, self.show_button):
            top.addWidget(part)
        bottom.addWidget(self.status, 1)
        for part in (self.stop_button, self.copy_button):
            bottom.addWidget(part)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.text, 1)
        layout.addLayout(bottom)

    def open_log(self, account: AccountOptions, name: str) -> None:
        """Show the window, and the log of a name unless it is "" or shown already."""
        is_new = (account, name) != (self._account, self._log.name)
        self._account = account
        self.show()
        self.raise_()
        self._clock.start()
        if name and is_new:
            self.name.setText(name)
            self._on_show_clicked()

    def _on_show_clicked(self) -> None:
        if not self.name.text().strip():
            return
        self.text.clear()
        try:
            self._log.follow(self._account, self.name.text())
        except CellsegError as error:
            self.status.setText(str(error))

    def _on_copy_clicked(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text.toPlainText())

    def _on_lines_came(self, lines: list[str]) -> None:
        """Put lines below the others; who reads further up stays there."""
        bar = self.text.verticalScrollBar()
        is_at_end = bar is None or bar.value() >= bar.maximum()
        self.text.appendPlainText("\n".join(line.rstrip("\n") for line in lines))
        if bar is not None and is_at_end:
            bar.setValue(bar.maximum())

    def refresh(self) -> None:
        """Follow the controller."""
        name = self._log.name
        self.setWindowTitle(f"{TITLE} of {name}" if name else TITLE)
        self.status.setText(self._log.words)
        self.stop_button.setEnabled(self._log.is_following)
        self.copy_button.setEnabled(bool(self._log.lines))

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Look no more."""
        self._clock.stop()
        self._log.stop()
        super().closeEvent(event)
