"""Whether the window that a process works for is still there, on every system."""

from __future__ import annotations

import psutil


class WindowWatch:
    """Remembers a process and says later whether it lives.

    The number of a process that has ended is given to another one sooner or later, so its
    time of birth is remembered as well. Nobody asks for the parent's number: on Windows it
    stays the same when the parent ends, and in a virtual environment it is a launcher's.

    Parameters
    ----------
    pid : int or None
        Of the process; None: there is no window that could go.
    """

    def __init__(self, pid: int | None) -> None:
        self._has_window = pid is not None
        self._process: psutil.Process | None = None
        try:
            self._process = None if pid is None else psutil.Process(pid)
        except psutil.NoSuchProcess:
            return  # gone before this process was ready

    def is_gone(self) -> bool:
        """Say whether the process has ended."""
        if self._process is None:
            return self._has_window
        try:
            # One that nobody has asked about since it ended is still listed on Unix.
            ended = self._process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
            return ended or not self._process.is_running()
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False  # it is there, and of somebody else
