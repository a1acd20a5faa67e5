"""The foot of the dock: the primary button, progress, one line of result or error."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.task import JobFailure, TaskController
from napari_cellseg.widgets.basics.words import Tone, line_label, say


class Footer(QWidget):
    """Primary button, pinned; Cancel and progress while a task runs.

    Parameters
    ----------
    viewer : napari viewer
        For the theme.
    task : TaskController
        Whose progress is shown.
    """

    clicked = Signal()

    def __init__(self, viewer: Any, task: TaskController) -> None:
        super().__init__()
        self._viewer = viewer
        self._task = task
        self._details = ""
        self._told = self._advice = ""
        self._is_cancelling = False
        self._title = ""
        self._reason = ""
        self.button = QPushButton()
        font = self.button.font()
        font.setBold(True)
        self.button.setFont(font)
        self.button.clicked.connect(self._on_button_clicked)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.line = line_label()
        self.copy_button = QPushButton("copy details")
        self.copy_button.setToolTip("Copy what the program knows of it, for a report.")
        self.copy_button.clicked.connect(self._on_copy_clicked)
        row = QHBoxLayout()
        row.addWidget(self.line, 1)
        row.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self.bar)
        layout.addLayout(row)
        self.copy_button.hide()
        task.changed.connect(self.refresh)
        self.refresh()

    def offer(self, title: str, tip: str, reason: str) -> None:
        """Say what the primary button does, and why it cannot ("" if it can)."""
        self._title, self._reason = title, reason
        if not self._task.is_running:
            self.button.setText(title)
            self.button.setEnabled(not reason)
            self.button.setToolTip(reason or tip)

    def refresh(self) -> None:
        """Follow the task."""
        is_running = self._task.is_running
        self.bar.setVisible(is_running)
        self._is_cancelling &= is_running
        if self._is_cancelling:
            return
        if is_running:
            self.button.setText("Cancel")
            self.button.setEnabled(True)
            self.button.setToolTip(f"{self._task.name}: stop it; nothing is changed.")
            self._show_progress()
        else:
            self.offer(self._title, self.button.toolTip(), self._reason)

    def _show_progress(self) -> None:
        progress, seconds = self._task.progress, self._task.seconds_left()
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        left = f" · {seconds:.0f} s left" if seconds is not None else ""
        self.tell(f"{progress.message or self._task.name}{left}")

    def advise(self, text: str) -> None:
        """Say what the button waits for, unless something else is said; "" for nothing."""
        before, self._advice = self._advice, text
        if self._told in ("", before):
            self.tell(text, "dim")

    def take_back(self, text: str) -> None:
        """Say it no longer, unless something else was said since."""
        if self._told == text:
            self.tell("")

    def tell(self, text: str, tone: Tone = "plain", details: str = "") -> None:
        """Show one line."""
        self._details, self._told = details, text
        self.copy_button.setVisible(bool(details))
        say(self.line, text, tone, self._viewer.theme)

    def tell_failure(self, failure: JobFailure) -> None:
        """Show why something stopped."""
        self.tell(failure.message, "error", failure.details)

    def _on_button_clicked(self) -> None:
        if self._task.is_running:
            self._is_cancelling = True
            self.button.setText("Cancelling…")
            self.button.setEnabled(False)
            self._task.cancel()
        else:
            self.clicked.emit()

    def _on_copy_clicked(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self._details)
