"""Endpoints that cost money without the window: told of before it closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_cellseg.widgets.basics.footer import Footer

if TYPE_CHECKING:
    from napari_cellseg.controllers.aws.cloud import CloudController

STOP, LEAVE, STAY = "stop", "leave", "stay"


def ask_person(parent: QWidget, text: str) -> str:
    """Ask what is to become of endpoints; return `STOP`, `LEAVE` or `STAY`."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Still running at AWS, and costing money")
    box.setText(text)
    box.setInformativeText(
        "What is left running goes on when this window is closed. It is stopped with "
        "SageMaker endpoint… > Deploy, stop, costs…, or with cellseg cloud stop --all."
    )
    roles = QMessageBox.ButtonRole
    stop = box.addButton("Stop it, then close", roles.DestructiveRole)
    leave = box.addButton("Leave it running", roles.AcceptRole)
    stay = box.addButton("Stay here", roles.RejectRole)
    # Neither bill nor somebody else's work hangs on a key that was pressed too often.
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    box.exec()
    clicked = box.clickedButton()
    answers = ((stop, STOP), (leave, LEAVE))
    return next((answer for button, answer in answers if button is clicked), STAY)


class LeftEndpoints:
    """Says whether the window may close.

    Parameters
    ----------
    known : callable
        Gives what knows of endpoints; None while nobody asked for any.
    footer : Footer
        Says what is being stopped, and what could not be.
    """

    def __init__(
        self, known: Callable[[], CloudController | None], footer: Footer
    ) -> None:
        self._known, self._footer = known, footer
        self._window: QWidget | None = None
        self.ask: Callable[[QWidget, str], str] = ask_person

    def may_close(self, dock: QWidget) -> bool:
        """Ask where something would go on costing money; stopping it closes later."""
        cloud = self._known()
        if cloud is None:
            return True
        if self._window is not None:
            self._footer.tell(_stopping_words(cloud), "warning")
            return False
        words = cloud.left_words()
        if not words:
            return True
        answer = self.ask(dock, "\n".join(words))
        if answer == STOP:
            self._stop(cloud, dock)
        return answer == LEAVE

    def _stop(self, cloud: CloudController, dock: QWidget) -> None:
        """Begin to stop everything; the window closes when that is done."""
        self._window = dock.window()
        cloud.task.changed.connect(self._on_task_changed)
        cloud.stop_left()
        self._footer.tell(_stopping_words(cloud), "warning")

    def _on_task_changed(self) -> None:
        cloud, window = self._known(), self._window
        if cloud is None or window is None or cloud.task.is_running:
            return
        self._window = None
        cloud.task.changed.disconnect(self._on_task_changed)
        if cloud.task.failure is not None:
            self._footer.tell_failure(cloud.task.failure)
        else:
            window.close()


def _stopping_words(cloud: CloudController) -> str:
    """Return what the window waits for."""
    return f"{cloud.task.name} at AWS; the window closes when that is done."
