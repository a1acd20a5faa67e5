"""How fast a server works, measured, so that it can say when to come again."""

from __future__ import annotations

import math

from napari_cellseg.serving.requests.reply import RETRY_SECONDS

#: How much the last answer counts against those before it.
WEIGHT = 0.2
MAX_RETRY_SECONDS = 300


class Pace:
    """The mean time from one answer to the next while there is work.

    All times are in seconds, of any clock that does not jump.
    """

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._last = 0.0

    def begin(self, now: float) -> None:
        """Note that work comes after a time without any."""
        self._last = now

    def end(self, now: float) -> None:
        """Note an answer."""
        took, self._last = now - self._last, now
        before = self._seconds
        self._seconds = took if before is None else before + WEIGHT * (took - before)

    def retry_seconds(self, n_waiting: int) -> int:
        """Return in how many whole seconds all that wait now will have been worked off."""
        if self._seconds is None:
            return RETRY_SECONDS
        return min(max(math.ceil(self._seconds * n_waiting), 1), MAX_RETRY_SECONDS)
