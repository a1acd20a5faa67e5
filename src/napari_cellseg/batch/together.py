"""Several images at the same time, each worked on in a process of its own.

A process keeps its network from image to image. One that dies, for want of memory for
instance, costs the image it had in hand and no other.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process

from napari_cellseg.batch.logs import level_in_use, set_up_logging
from napari_cellseg.batch.one_image import row_of_error, segment_file
from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.results import ImageResults, Row
from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.processors import threads_each
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.engines import open_segmenter

#: Read when torch is loaded; processes that all use every core get in each other's way.
THREADS_VARIABLE = "OMP_NUM_THREADS"


def rows_together(
    todo: Mapping[int, ImageResults], batch: BatchOptions, options: SegmentOptions
) -> Generator[tuple[int, Row]]:
    """Do images in ``batch.jobs`` processes; yield place and row as each is done.

    Parameters
    ----------
    todo : mapping of int to ImageResults
        Where the results of each image go, by its place in the run.
    batch, options
        See `segmenting.segment_files`.

    Raises
    ------
    DiskFullError
        The next images would be worked out for nothing.
    """
    n_seats = min(batch.jobs, len(todo))
    seats = [_Seat(batch, options, threads_each(n_seats)) for _ in range(n_seats)]
    waiting = deque(todo)
    working: dict[Future[Row], tuple[_Seat, int]] = {}
    try:
        for seat in seats:
            place = waiting.popleft()
            working[seat.begin(todo[place])] = seat, place
        while working:
            for future in wait(working, return_when=FIRST_COMPLETED).done:
                seat, place = working.pop(future)
                row = seat.row_of(future, todo[place])
                if waiting:
                    following = waiting.popleft()
                    working[seat.begin(todo[following])] = seat, following
                yield place, row
    finally:
        for seat in seats:
            seat.close()


class _Seat:
    """One process after another; there is a new one when one has died."""

    def __init__(
        self, batch: BatchOptions, options: SegmentOptions, n_threads: int
    ) -> None:
        self._batch, self._options, self._n_threads = batch, options, n_threads
        self._pool = self._opened()

    def begin(self, result: ImageResults) -> Future[Row]:
        """Have the process begin an image."""
        return self._pool.submit(_row_of_image, result, self._batch, self._options)

    def row_of(self, future: Future[Row], result: ImageResults) -> Row:
        """Return the row of the image that the process is done with."""
        try:
            return future.result()
        except BrokenProcessPool:
            self.close()
            self._pool = self._opened()
            died = SegmentationError(
                "The process that worked on this image ended, most likely for want of "
                "memory. Run it with a smaller --jobs and --skip-existing."
            )
            return row_of_error(result, died)

    def close(self) -> None:
        """End the process; an image in work is finished first."""
        self._pool.shutdown(cancel_futures=True)

    def _opened(self) -> ProcessPoolExecutor:
        """Return a pool of one process, which starts with its first image."""
        # A copy of this process would share its threads' locks (fork).
        spawning = get_context("spawn")
        return ProcessPoolExecutor(
            1, spawning, _prepare, (self._n_threads, level_in_use())
        )


def _prepare(n_threads: int, log_level: int) -> None:
    """Settle what a new process uses and logs, and that it ends with its parent."""
    set_up_logging(log_level)
    os.environ.setdefault(THREADS_VARIABLE, str(n_threads))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end, then end: nobody would read what is done here."""
    parent = parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _row_of_image(
    result: ImageResults, batch: BatchOptions, options: SegmentOptions
) -> Row:
    """Do one image in this process."""
    segmenter = _segmenter(batch.where, batch.model, batch.device)
    return run(segment_file(result, segmenter, batch, options))


@cache
def _segmenter(where: str, model: str | None, device: str) -> Segmenter:
    """Return the segmenter of this process, opened once."""
    return open_segmenter(where, model, device=device)
