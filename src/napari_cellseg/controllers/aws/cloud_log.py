"""What a container at AWS has printed, followed until what writes it has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psygnal import Signal

from napari_cellseg.cloud.account.sending import Sender, sender_of
from napari_cellseg.cloud.sagemaker.logs import End, EndWatch, LogReader, all_logs
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.cloud_options import AccountOptions
from napari_cellseg.core.jobs import Job, Progress

#: Older lines go; `cellseg cloud logs` prints all of them.
MAX_LINES = 20_000


@dataclass(frozen=True, slots=True)
class _Looked:
    """What one look came to."""

    lines: list[str]
    end: End | None


class LogController:
    """Looks at a log when it is told to, and keeps what it read.

    Parameters
    ----------
    task : TaskController
        Does the looking.
    open_sender : callable
        Gives what sends to an account.

    Attributes
    ----------
    name : str
        Endpoint, training job or batch job; "" while none is looked at.
    lines : deque of str
        What was printed, the last `MAX_LINES`.
    end : End or None
        How it ended; None while it goes on.
    """

    changed = Signal()
    lines_came = Signal(list)

    def __init__(
        self,
        task: TaskController,
        open_sender: Callable[[AccountOptions], Sender] = sender_of,
    ) -> None:
        self.task = task
        self._open = open_sender
        self._readers: list[LogReader] = []
        self._watch: EndWatch | None = None
        self._saw_end = False
        self.name = ""
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self.end: End | None = None
        task.changed.connect(self.changed.emit)

    @property
    def is_following(self) -> bool:
        """True from `follow` until the log has ended, or `stop`."""
        return bool(self.name) and not self._saw_end

    @property
    def words(self) -> str:
        """How it is, in a sentence."""
        if self.task.failure is not None:
            return self.task.failure.message
        if not self.name:
            return "Give the name of an endpoint or job, and press Show."
        if self.end is not None:
            return self.end.told
        if not self.is_following:
            return "No longer followed; Show goes on."
        if not self.lines:
            return (
                f"Nothing of '{self.name}' yet. A container writes its first line minutes "
                "after it was asked for."
            )
        return "New lines come every few seconds."

    def follow(self, account: AccountOptions, name: str) -> None:
        """Read a log from its beginning on; told by `changed` and `lines_came`.

        Raises
        ------
        CellsegError
            If AWS cannot be asked at all.
        """
        self.stop()
        sender = self._open(account)
        self.name, self.end, self._saw_end = name.strip(), None, False
        self.lines.clear()
        self._readers = all_logs(self.name, sender)
        self._watch = EndWatch(self.name, sender)
        self.look()

    def stop(self) -> None:
        """Look no more; the lines stay."""
        self._saw_end = True
        self.task.abandon()
        self.changed.emit()

    def look(self) -> None:
        """Look for new lines, unless a look is under way or nothing more can come."""
        if self.is_following and not self.task.is_running and self._watch is not None:
            job = _look_job(self._watch, self._readers)
            self.task.start("Reading the log", job, self._take)

    def _take(self, looked: _Looked) -> None:
        # CloudWatch is some seconds behind: one more look follows the end.
        self._saw_end = self.end is not None
        self.end = looked.end
        self.lines.extend(looked.lines)
        if looked.lines:
            self.lines_came.emit(looked.lines)
        self.changed.emit()


def _look_job(watch: EndWatch, readers: Sequence[LogReader]) -> Job[_Looked]:
    """Return the new lines, and how it ended if it has."""
    yield Progress(0, 0, "asking AWS")
    # Asked for before the lines: what was written by its end is read then.
    end = watch.end()
    lines: list[str] = []
    for reader in readers:
        lines += reader.new_lines()
        yield Progress(0, 0, "asking AWS")
    return _Looked(lines, end)
