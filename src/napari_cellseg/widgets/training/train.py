"""The tab "Train": what there is to learn from, the curve, old and new side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from qtpy.QtCore import QPointF, QSize, Qt, Signal
from qtpy.QtGui import QPainter, QPaintEvent, QPalette, QPixmap
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.training.train import TrainController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.training.comparison_rows import comparison_rows
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import TrainingOutcome
from napari_cellseg.io.models.training_files import BASE_PICTURE_NAME, PICTURE_NAME
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.closing.left_training import LeftRow
from napari_cellseg.widgets.training.train_options import TrainOptionsForm

PICTURE_PX = QSize(270, 130)
CURVE_PX = 80
#: Around the curve, so that a dot at its end is seen whole.
MARGIN_PX = 4
CURVE_WORDS = "line: errors on what it learns · dots: right on held-out cells"
STOP_WORDS = "Stop, keep the best so far"
STOPPING_WORDS = "Stopping after this step…"
CANCEL_WORDS = "Cancel"
PICTURED = {
    PICTURE_NAME: "Your held-out cells: old, new · green: true, orange: found",
    BASE_PICTURE_NAME: "The base set: old, new",
}
#: What the rows of the comparison mean, by their first words.
ROW_TIPS = {
    "cells": "True cells that old and new model are compared on.",
    "found (AP50)": "Of true and found cells together, the share that is found with at "
    "least half of it overlapping; 1 is perfect. Each image weighs the same.",
    "outlines (mSA)": "As above, but averaged over ever stricter overlaps, 0.5 to 0.95; it "
    "falls where outlines are inexact.",
    "count error": "By how much the number of cells is wrong in an image.",
    "cells gained": "True cells that only the new model finds.",
    "cells lost": "True cells that only the old model finds.",
}


class CurveView(QWidget):
    """The loss as a line, the score on held-out cells as dots, each to its own scale."""

    def __init__(self) -> None:
        super().__init__()
        self._curve: list[CurvePoint] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Line: how wrong the model is on what it learns from; down is good. "
            "Dots: how right it is on cells that are held out; up is good."
        )

    def sizeHint(self) -> QSize:
        """Return the size it wants."""
        return QSize(240, CURVE_PX)

    def show_curve(self, curve: list[CurvePoint], n_steps: int) -> None:
        """Show the steps so far of `n_steps`; 0: it is not known how many there will be."""
        self._curve = curve
        self._n_steps = max(n_steps, curve[-1].step if curve else 1)
        self.update()

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Draw line and dots."""
        if len(self._curve) < 2:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(colour)
        losses = [point.loss for point in self._curve]
        top = max(losses) or 1.0
        places = [self._place(point.step, point.loss / top) for point in self._curve]
        for here, there in itertools.pairwise(places):
            painter.drawLine(here, there)
        painter.setBrush(colour)
        for point in self._curve:
            if point.score is not None:
                painter.drawEllipse(self._place(point.step, point.score), 3.0, 3.0)
        painter.end()

    def _place(self, step: int, share: float) -> QPointF:
        """Return where a value between 0 and 1 stands."""
        width, height = self.width() - 2 * MARGIN_PX, self.height() - 2 * MARGIN_PX
        return QPointF(
            MARGIN_PX + width * step / self._n_steps, MARGIN_PX + height * (1 - share)
        )


class TrainTab(QWidget):
    """Shows what `TrainController` holds."""

    failed = Signal(str)

    def __init__(self, train: TrainController) -> None:
        super().__init__()
        self._train = train
        self.options = TrainOptionsForm(train)
        self.options.failed.connect(self.failed)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.line = line_label()
        self.stop = QPushButton(STOP_WORDS)
        self.stop.clicked.connect(train.stop)
        self.curve = CurveView()
        self.curve_words = line_label()
        self.curve_words.setText(CURVE_WORDS)
        self.back = QPushButton("Back to the model before")
        self.back.setToolTip("Take the last 'Use the new model' back.")
        self.back.clicked.connect(self._on_back_clicked)
        self.left = LeftRow(train)
        self.left.failed.connect(self.failed)
        self.result = _Result()
        self.result.use.clicked.connect(self._on_use_clicked)
        self.result.keep.clicked.connect(train.keep_old)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        for part in (
            self.left,
            self.options,
            self.bar,
            self.line,
            self.curve,
            self.curve_words,
            self.stop,
        ):
            layout.addWidget(part)
        layout.addWidget(self.result)
        layout.addWidget(self.back)
        layout.addStretch(1)
        train.changed.connect(self.refresh)
        train.cells_opened.connect(self._on_cells_opened)
        self.refresh()

    def _on_cells_opened(self) -> None:
        """Count again what is checked: cells of a large image come after the image."""
        if self.isVisible() and not self._train.task.is_running:
            self._train.count()

    def refresh(self) -> None:
        """Follow the controller."""
        train, task = self._train, self._train.task
        self.left.refresh()
        self.options.refresh()
        is_running = task.is_running
        self.bar.setVisible(is_running)
        # Once all steps are done there is nothing to stop: old and new are compared.
        step = task.progress
        is_at_end = 0 < step.total == step.done
        self.stop.setVisible(is_running and not is_at_end)
        self.stop.setEnabled(not train.is_stopping)
        words = STOP_WORDS if train.curve else CANCEL_WORDS
        self.stop.setText(STOPPING_WORDS if train.is_stopping else words)
        has_result = train.outcome is not None
        has_curve = bool(train.curve) and not has_result
        self.curve.setVisible(has_curve)
        self.curve_words.setVisible(has_curve)
        self.options.setVisible(not has_result)
        if is_running:
            self.bar.setRange(0, task.progress.total)
            self.bar.setValue(task.progress.done)
            self.line.setText(task.progress.message)
        elif train.outcome is None:
            self.line.setText("")
        self.curve.show_curve(train.curve, task.progress.total)
        self.back.setVisible(train.can_roll_back and not is_running)
        self.result.setVisible(train.outcome is not None)
        if train.outcome is not None:
            self.line.setText("")
            self.result.show_outcome(train.outcome, train.pictures)
        self.line.setVisible(bool(self.line.text()))

    def _on_use_clicked(self) -> None:
        self._try(self._train.use_new)

    def _on_back_clicked(self) -> None:
        self._try(self._train.roll_back)

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except CellsegError as error:
            self.failed.emit(str(error))


class _Result(QWidget):
    """Old and new side by side, and the choice between them."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = line_label()
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(5)
        self._cells: list[QLabel] = []
        self._grid.setVerticalSpacing(2)
        self.pictures = [QLabel() for _ in PICTURED]
        self.captions = [line_label() for _ in PICTURED]
        self.use = QPushButton("Use the new model")
        self.keep = QPushButton("Keep the old")
        buttons = QHBoxLayout()
        buttons.addWidget(self.use)
        buttons.addWidget(self.keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.reason)
        layout.addLayout(self._grid)
        layout.addLayout(buttons)
        for caption, picture in zip(self.captions, self.pictures, strict=True):
            layout.addWidget(caption)
            layout.addWidget(picture)

    def show_outcome(self, outcome: TrainingOutcome, pictures: list[Path]) -> None:
        """Show figures, advice and pictures."""
        self.reason.setText(outcome.reason)
        rows = comparison_rows(outcome.held_out, outcome.base)
        texts = [text for row in rows for text in row]
        while len(self._cells) < len(texts):
            row, column = divmod(len(self._cells), len(rows[0]))
            label = QLabel()
            label.setWordWrap(column == 0)  # what a row is may take two lines
            self._grid.addWidget(label, row, column)
            self._cells.append(label)
        for place, (label, text) in enumerate(zip(self._cells, texts, strict=True)):
            label.setText(text)
            label.setToolTip(ROW_TIPS.get(rows[place // len(rows[0])][0], ""))
        for button, is_advised in (
            (self.use, outcome.is_recommended),
            (self.keep, not outcome.is_recommended),
        ):
            font = button.font()
            font.setBold(is_advised)
            button.setFont(font)
        labels = zip(self.captions, self.pictures, strict=True)
        for (caption, label), path in itertools.zip_longest(labels, pictures):
            for part in (caption, label):
                part.setVisible(path is not None)
            if path is not None:
                caption.setText(PICTURED[path.name])
                label.setToolTip(
                    "Left the old model, right the new one, where they differ most. "
                    "Green: the true cells; orange: what the model finds."
                )
                label.setPixmap(
                    QPixmap(str(path)).scaled(
                        PICTURE_PX,
                        Qt.AspectRatioMode.KeepAspectRatio,
                        Qt.TransformationMode.SmoothTransformation,
                    )
                )
