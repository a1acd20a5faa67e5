"""What must be undone when a widget goes."""

from __future__ import annotations

from collections.abc import Callable


class Cleanup:
    """Runs actions once, the last one first.

    It is no QObject, so that it hears ``destroyed`` of the widget that it serves.
    """

    def __init__(self) -> None:
        self._actions: list[Callable[[], object]] = []

    def add(self, action: Callable[[], object]) -> None:
        """Remember an action."""
        self._actions.append(action)

    def run(self, *_: object) -> None:
        """Run and forget the actions."""
        actions, self._actions = self._actions, []
        for action in reversed(actions):
            action()
