"""Thousands of small pieces of work, done by a few threads while the next one is read.

Packing, checking and digests let other threads run meanwhile. Files are read on one thread
only: Pillow is told to be quiet by a setting that all threads share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")

#: More gained nothing on two cores; each one holds an image and its labels.
N_THREADS = 3
#: Larger pieces are done one at a time, so that memory holds no more than one.
HEAVY_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Piece(Generic[T]):
    """A piece of work.

    Attributes
    ----------
    work : callable
        Returns what comes of it.
    n_bytes : int
        What it holds in memory, about.
    """

    work: Callable[[], T]
    n_bytes: int = 0


def refuse(error: Exception) -> NoReturn:
    """Raise an error: what comes of a piece that could not be read, said in its turn."""
    raise error


def done_aside(pieces: Iterable[Piece[T]]) -> Generator[Future[T], None, None]:
    """Yield what came of each piece, in their order; the next ones are worked on meanwhile.

    Closing it drops what has not begun and waits for what has.
    """
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(N_THREADS, "cellseg-aside") as pool:
        try:
            for piece in pieces:
                is_heavy = piece.n_bytes > HEAVY_BYTES
                waiting.append(pool.submit(piece.work))
                while waiting and (is_heavy or len(waiting) > N_THREADS):
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            pool.shutdown(cancel_futures=True)
