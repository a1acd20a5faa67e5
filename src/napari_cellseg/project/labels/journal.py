"""The history of one image's labels, on disk before it is on the screen.

A step (an edit made, undone or made again) is committed before `push`, `undo` or `redo`
returns. Where it cannot be (disk full, network gone), the step waits in memory, `problem`
says why, and the next step or `retry` writes everything that waits, in order.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.history import History, TwoPiles
from napari_cellseg.core.editing.lineage_steps import Lineage
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.project.cells.lineage import lineage_notes
from napari_cellseg.project.cells.review import ReviewNotes
from napari_cellseg.project.database.database import check_place, told, transaction
from napari_cellseg.project.database.packing import edit_of, row_of
from napari_cellseg.project.labels.exchanges import Exchanges

#: Edits kept in memory; older ones are read from the database when they are needed.
N_KEPT = 64
MAX_KEPT_BYTES = 256 * 2**20

INSERT_EDIT = """
INSERT INTO edits
(id, image, name, author, made_at, start, shape, pixels, sources, notes, state) VALUES
(:id, :image, :name, :author, :made_at, :start, :shape, :pixels, :sources, :notes, 'done')
"""
INSERT_STEP = "INSERT INTO steps (image, edit, kind, at) VALUES (?, ?, ?, ?)"
SET_STATE = "UPDATE edits SET state = ? WHERE id = ?"


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """Something that happened and has to be written."""

    kind: Literal["do", "undo", "redo"]
    edit_id: int
    at: float
    change: Edit  # what it does: the edit, or its inverse
    dropped: tuple[int, ...] = ()  # of "do": what can be redone no more
    lineage: Lineage | None = None  # after it; None: as before


@dataclass(frozen=True, slots=True)
class _Entry:
    """An edit on one of the piles."""

    edit_id: int
    name: str


class Journal(TwoPiles[_Entry]):
    """What can be undone and redone; has the shape of `core.editing.history.History`.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the project, writable.
    folder : Path
        Of the project, for messages.
    image_id : int
        Whose labels.
    new_id : callable
        Returns an id that no edit of the project has; ids rise with time.

    Attributes
    ----------
    problem : str
        Why the last steps are not on the disk yet, "" if they are.
    lineage_after : callable
        Says which cell came of which after a step that is about to be written, None
        where nothing changes. It is written with the step, or not at all.
    settle : callable
        Called before the labels are exchanged as a whole; brings those on disk up to the
        journal.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        folder: Path,
        image_id: int,
        new_id: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._image_id = image_id
        self._new_id = new_id
        self._exchanges = Exchanges(connection, folder, image_id)
        self.settle: Callable[[], None] = _nothing
        self.lineage_after: Callable[[Edit], Lineage | None] = _no_other
        self.problem = ""
        self._waiting: deque[_Step] = deque()
        self._kept: OrderedDict[int, Edit] = OrderedDict()
        with told(folder):
            self._done = self._entries("done")
            self._undone = self._entries("undone")[::-1]

    def _entries(self, state: str) -> list[_Entry]:
        rows = self._connection.execute(
            "SELECT id, name FROM edits WHERE image = ? AND state = ? ORDER BY id",
            (self._image_id, state),
        )
        return [_Entry(row["id"], row["name"]) for row in rows]

    # ------------------------------------------------------------------ the history
    def push(self, edit: Edit) -> None:
        """Write an edit that was made; what was undone before can be redone no more."""
        edit_id = self._new_id()
        dropped = tuple(entry.edit_id for entry in self._undone)
        self._undone.clear()
        self._done.append(_Entry(edit_id, edit.name))
        self._keep(edit_id, edit)
        after = self.lineage_after(edit)
        self._take(_Step("do", edit_id, edit.made_at, edit, dropped, after))

    def undo(self) -> Edit | None:
        """Return the edit that takes the last one back, or None if there is none."""
        if not self._done:
            return None
        entry = self._done[-1]
        edit = self._edit(entry.edit_id)
        step = _Step("undo", entry.edit_id, time.time(), edit.inverted())
        if edit.is_exchange:
            self._exchange(step)
        self._undone.append(self._done.pop())
        if not edit.is_exchange:
            self._take(replace(step, lineage=self.lineage_after(step.change)))
        return step.change

    def last(self) -> Edit | None:
        """Return the edit that `undo` would take back, as it was made, or None."""
        return self._edit(self._done[-1].edit_id) if self._done else None

    def redo(self) -> Edit | None:
        """Return the edit that was undone last, or None if there is none."""
        if not self._undone:
            return None
        entry = self._undone[-1]
        edit = self._edit(entry.edit_id)
        step = _Step("redo", entry.edit_id, time.time(), edit)
        if edit.is_exchange:
            self._exchange(step)
        self._done.append(self._undone.pop())
        if not edit.is_exchange:
            self._take(replace(step, lineage=self.lineage_after(edit)))
        return edit

    def _exchange(self, step: _Step) -> None:
        """Look at other labels; raises `ProjectError` where that cannot be written now."""
        self.settle()
        exchange = self._exchanges.of_edit(step.edit_id)
        if not self.retry() or exchange is None:
            raise ProjectError(f"This cannot be undone or redone now. {self.problem}")
        with told(self._folder), transaction(self._connection):
            self._write(step, self._connection)
            is_undo = step.kind == "undo"
            self._exchanges.show(exchange.before if is_undo else exchange.after)

    # ------------------------------------------------------------------- the writing
    @property
    def n_waiting(self) -> int:
        """Steps that are not on the disk yet."""
        return len(self._waiting)

    def retry(self) -> bool:
        """Write the steps that wait; return True if all are on the disk now."""
        if not self._waiting:
            return True
        try:
            with told(self._folder), transaction(self._connection):
                self.write_waiting(self._connection)
        except ProjectError as error:
            self.problem = str(error)
            return False
        self._waiting.clear()
        self.problem = ""
        return True

    def write_waiting(self, connection: sqlite3.Connection) -> None:
        """Write the steps that wait to the project or a copy; they go on to wait.

        Inside a transaction of the caller.
        """
        for step in self._waiting:
            self._write(step, connection)

    def _take(self, step: _Step) -> None:
        self._waiting.append(step)
        self.retry()

    def _write(self, step: _Step, connection: sqlite3.Connection) -> None:
        """Write one step inside a transaction."""
        run = connection.execute
        if step.kind == "do":
            row = {"id": step.edit_id, "image": self._image_id, **row_of(step.change)}
            run(INSERT_EDIT, row)
        for edit_id in step.dropped:
            run(SET_STATE, ("dropped", edit_id))
        if step.kind != "do":
            state = "undone" if step.kind == "undo" else "done"
            run(SET_STATE, (state, step.edit_id))
        run(INSERT_STEP, (self._image_id, step.edit_id, step.kind, step.at))
        # With the step: killed in between, what was said of cells would be of others.
        ReviewNotes(connection, self._folder, self._image_id).follow(step.change)
        if step.lineage is not None:
            lineage_notes(connection, self._folder, self._image_id).put(step.lineage)

    # -------------------------------------------------------------------- the edits
    def _edit(self, edit_id: int) -> Edit:
        if edit_id in self._kept:
            self._kept.move_to_end(edit_id)
            return self._kept[edit_id]
        with told(self._folder):
            check_place(self._connection)
            row = self._connection.execute(
                "SELECT * FROM edits WHERE id = ?", (edit_id,)
            ).fetchone()
        edit = edit_of(row)
        if self._exchanges.of_edit(edit_id) is not None:
            edit = replace(edit, is_exchange=True)
        self._keep(edit_id, edit)
        return edit

    def _keep(self, edit_id: int, edit: Edit) -> None:
        """Keep an edit in memory; one that waits to be written is never let go."""
        self._kept[edit_id] = edit
        waiting = {step.edit_id for step in self._waiting}
        n_bytes = self.n_bytes
        for old in list(self._kept):
            if len(self._kept) <= N_KEPT and n_bytes <= MAX_KEPT_BYTES:
                return
            if old not in waiting and old != edit_id:
                n_bytes -= self._kept.pop(old).n_bytes

    @property
    def n_bytes(self) -> int:
        """Bytes of the edits that are kept in memory."""
        return sum(edit.n_bytes for edit in self._kept.values())


def _nothing() -> None:
    """Stand in until somebody holds the labels."""


def _no_other(_change: Edit) -> Lineage | None:
    """Stand in where nobody knows of parents."""
    return None


def adopt_history(
    connection: sqlite3.Connection,
    image_id: int,
    history: History,
    new_id: Callable[[], int],
) -> None:
    """Write the steps of a session that had no project; nothing is replayed.

    Inside a transaction of the caller, before the image's journal is opened.
    """
    # Ids rise along the order in which edits were made.
    for state, edits in zip(("done", "undone"), history.edits(), strict=True):
        for edit in edits:
            edit_id = new_id()
            row = {"id": edit_id, "image": image_id, **row_of(edit)}
            connection.execute(INSERT_EDIT, row)
            connection.execute(SET_STATE, (state, edit_id))
