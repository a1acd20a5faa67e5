"""Steps that are not on the disk yet: asked for before the window closes over them."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.projects.unsaved_steps import unsaved_words

SAVE, CLOSE, STAY = "save", "close", "stay"


def ask_person(parent: QWidget, text: str) -> str:
    """Ask what is to become of unsaved steps; return `SAVE`, `CLOSE` or `STAY`."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Not everything is saved")
    box.setText(text)
    box.setInformativeText("A copy of the project, on another disk, holds them all.")
    roles = QMessageBox.ButtonRole
    save = box.addButton("Save a copy elsewhere…", roles.AcceptRole)
    close = box.addButton("Close, and lose them", roles.DestructiveRole)
    stay = box.addButton("Stay here", roles.RejectRole)
    box.setDefaultButton(save)
    box.setEscapeButton(stay)
    box.exec()
    clicked = box.clickedButton()
    answers = ((save, SAVE), (close, CLOSE))
    return next((answer for button, answer in answers if button is clicked), STAY)


class UnsavedSteps:
    """Says whether the window may close.

    Parameters
    ----------
    projects : ProjectController
        Whose steps.
    save_elsewhere : callable
        Asks for a folder and writes a copy there; returns whether it did.
    """

    def __init__(
        self, projects: ProjectController, save_elsewhere: Callable[[], bool]
    ) -> None:
        self._projects = projects
        self._save_elsewhere = save_elsewhere
        self.ask: Callable[[QWidget, str], str] = ask_person

    def may_close(self, parent: QWidget) -> bool:
        """Try to write once more; ask where that fails."""
        projects = self._projects
        projects.write()
        words = unsaved_words(projects.n_waiting, list(projects.read.values()))
        if not words:
            return True
        answer = self.ask(
            parent, f"{words} {projects.problem or projects.why_read_only}"
        )
        if answer == SAVE:
            return self._save_elsewhere()
        return answer == CLOSE
