"""What can be undone and redone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from napari_cellseg.core.editing.edits import Edit


class Steps(Protocol):
    """A history of edits: `History` in memory, or the journal of a project."""

    def push(self, edit: Edit) -> None:
        """Remember an edit that was made."""
        ...

    def undo(self) -> Edit | None:
        """Return the edit that takes the last one back, or None."""
        ...

    def redo(self) -> Edit | None:
        """Return the edit that was undone last, or None."""
        ...

    def last(self) -> Edit | None:
        """Return the edit that `undo` would take back, as it was made, or None."""
        ...

    @property
    def undo_name(self) -> str:
        """Name of what `undo` takes back, or ""."""
        ...

    @property
    def redo_name(self) -> str:
        """Name of what `redo` makes again, or ""."""
        ...


class _Named(Protocol):
    @property
    def name(self) -> str:
        """What was done, in a word or two."""
        ...


_Step = TypeVar("_Step", bound=_Named)


class TwoPiles(Generic[_Step]):
    """What was done and what was undone; the next step to undo or redo lies on top."""

    _done: list[_Step]
    _undone: list[_Step]

    @property
    def undo_name(self) -> str:
        """Name of what `undo` takes back, or ""."""
        return self._done[-1].name if self._done else ""

    @property
    def redo_name(self) -> str:
        """Name of what `redo` makes again, or ""."""
        return self._undone[-1].name if self._undone else ""


class History(TwoPiles["Edit"]):
    """What can be undone and redone, in memory.

    It knows edits, not labels: `undo` and `redo` return the edit that is to be applied.

    Parameters
    ----------
    max_bytes : int
        Bytes of edits that are kept; beyond it the oldest are dropped, but never the
        last one.

    Attributes
    ----------
    is_whole : bool
        False once a step was dropped.
    """

    def __init__(self, max_bytes: int = 512 * 2**20) -> None:
        self._max_bytes = max_bytes
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self.is_whole = True

    def push(self, edit: Edit) -> None:
        """Remember an edit that was made; what was undone before is forgotten."""
        self._undone.clear()
        self._done.append(edit)
        excess = sum(kept.n_bytes for kept in self._done) - self._max_bytes
        while excess > 0 and len(self._done) > 1:
            excess -= self._done.pop(0).n_bytes
            self.is_whole = False

    def undo(self) -> Edit | None:
        """Return the edit that takes the last one back, or None if there is none."""
        if not self._done:
            return None
        edit = self._done.pop()
        self._undone.append(edit)
        return edit.inverted()

    def last(self) -> Edit | None:
        """Return the edit that `undo` would take back, as it was made, or None."""
        return self._done[-1] if self._done else None

    def redo(self) -> Edit | None:
        """Return the edit that was undone last, or None if there is none."""
        if not self._undone:
            return None
        edit = self._undone.pop()
        self._done.append(edit)
        return edit

    def edits(self) -> tuple[list[Edit], list[Edit]]:
        """Return what was done and what was undone, each in the order it was made."""
        return list(self._done), self._undone[::-1]
