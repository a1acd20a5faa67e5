"""Trainings that outlive a window: asked for on closing, offered on the next start."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.controllers.training.train import TrainController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.io.models.left_trainings import LeftTraining
from napari_cellseg.widgets.basics.footer import Footer
from napari_cellseg.widgets.basics.words import line_label, shortened
from napari_cellseg.widgets.closing.left_endpoints import LeftEndpoints
from napari_cellseg.widgets.closing.unsaved_steps import UnsavedSteps

STOP, FINISH, STAY = "stop", "finish", "stay"
#: Text and tip of the buttons for each state: what is done about it, and what is not.
OFFERS = {
    "done": ("Show the result", "Old and new model side by side.", "Forget it"),
    "running": ("Follow it", "Show how far it is, and then its result.", "Not now"),
    "cut": ("Go on", "From where it last saved, a minute back at most.", "Forget it"),
}

Asker = Callable[[QWidget, str], str]


def ask_person(parent: QWidget, text: str) -> str:
    """Ask what is to become of a training; return `STOP`, `FINISH` or `STAY`."""
    box = QMessageBox(parent)
    box.setWindowTitle("A training is running")
    box.setText(text)
    box.setInformativeText(
        "If it stops or finishes without the window, the result is offered the next time."
    )
    roles = QMessageBox.ButtonRole
    stop = box.addButton("Stop, keep the best so far", roles.DestructiveRole)
    finish = box.addButton("Let it finish", roles.AcceptRole)
    stay = box.addButton("Stay here", roles.RejectRole)
    box.setDefaultButton(finish)
    box.setEscapeButton(stay)
    box.exec()
    clicked = box.clickedButton()
    answers = ((stop, STOP), (finish, FINISH))
    return next((answer for button, answer in answers if button is clicked), STAY)


class ClosingGuard(QObject):
    """Asks before the window closes over a training, unsaved steps, or an endpoint.

    Parameters
    ----------
    train : TrainController
        Whose training it is.
    footer : Footer
        Tells of what was left behind, and why the window stays.
    dock : QWidget
        Its main window is watched once it is docked.
    unsaved : UnsavedSteps
        Asks about steps that are not on the disk.
    endpoints : LeftEndpoints
        Asks about what costs money at AWS.
    """

    def __init__(
        self,
        train: TrainController,
        footer: Footer,
        dock: QWidget,
        unsaved: UnsavedSteps,
        endpoints: LeftEndpoints,
    ) -> None:
        super().__init__(dock)
        self._train = train
        self._footer = footer
        self._dock = dock
        self.unsaved = unsaved
        self.endpoints = endpoints
        self._is_watching = False
        self._is_released = False
        self.ask: Asker = ask_person
        dock.installEventFilter(self)
        train.look_for_left()
        self._told = ""
        if train.left is not None:
            self._told = f"{left_words(train.left)} See the tab Train."
            footer.tell(self._told)
        train.changed.connect(self._on_train_changed)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Watch the main window from when the dock is shown; True keeps it open."""
        if event is None or self._is_released:
            return False
        if watched is self._dock:
            if event.type() == QEvent.Type.Show and not self._is_watching:
                self._watch()
            return False
        if event.type() != QEvent.Type.Close or self._may_close():
            return False
        event.ignore()
        return True

    def _on_train_changed(self) -> None:
        """Tell no longer of a training that was left, once it was decided about."""
        if self._told and self._train.left is None and not self._is_released:
            self._footer.take_back(self._told)
            self._told = ""

    def release(self) -> None:
        """Ask no more; the dock may be gone, and takes this with it."""
        self._is_released = True
        self._train.changed.disconnect(self._on_train_changed, missing_ok=True)

    def _watch(self) -> None:
        """Watch the main window; a floating dock is in none, but is a child of it.

        It is not kept: napari counts who holds its windows.
        """
        widget: QWidget | None = self._dock
        while widget is not None and widget.parentWidget() is not None:
            widget = widget.parentWidget()
        if isinstance(widget, QMainWindow):
            self._is_watching = True
            widget.installEventFilter(self)

    def _may_close(self) -> bool:
        is_training = self._train.task.is_running
        if is_training and not self._may_leave_training():
            return False
        return self.unsaved.may_close(self._dock) and self.endpoints.may_close(
            self._dock
        )

    def _may_leave_training(self) -> bool:
        """Ask, and do what the person wants of the training."""
        step = self._train.task.progress.message or "it has just begun"
        answer = self.ask(self._dock, f"A training is running ({step}).")
        if answer == STAY:
            return False
        if not self._train.task.is_running:
            return True  # it has ended while the person thought
        if self._train.leave_alone(stopping=answer == STOP):
            return True
        self._footer.tell(
            "The training is being prepared; close in a moment.", "warning"
        )
        return False


def left_words(left: LeftTraining) -> str:
    """Return what was left behind, in a sentence."""
    place = f" at step {left.done} of {left.total}" if left.total else ""
    title = shortened(left.title)
    return {
        "done": f"The training of '{title}' has ended.",
        "running": f"The training of '{title}' still runs{place}.",
        "cut": f"The training of '{title}' was cut{place}.",
    }[left.state]


class LeftRow(QWidget):
    """Offers what an earlier window left behind.

    Signals
    -------
    failed : str
        Why it cannot be had.
    """

    failed = Signal(str)

    def __init__(self, train: TrainController) -> None:
        super().__init__()
        self._train = train
        self.text = line_label()
        self.take = QPushButton()
        self.take.clicked.connect(self._on_take_clicked)
        self.drop = QPushButton()
        self.drop.setToolTip("It is not offered again; its folder stays on the disk.")
        self.drop.clicked.connect(train.drop_left)
        row = QHBoxLayout()
        row.addWidget(self.take)
        row.addWidget(self.drop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addLayout(row)

    def refresh(self) -> None:
        """Follow the controller."""
        left = self._train.left
        self.setVisible(left is not None)
        if left is None:
            return
        self.text.setText(left_words(left))
        take, tip, drop = OFFERS[left.state]
        self.take.setText(take)
        self.take.setToolTip(tip)
        self.drop.setText(drop)

    def _on_take_clicked(self) -> None:
        try:
            self._train.take_left()
        except CellsegError as error:
            self.failed.emit(str(error))
