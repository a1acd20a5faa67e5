"""Tiles done one after the other here, or by the workers of a Dask cluster.

What travels is the number of a tile, never pixels: each worker reads the slide and writes
the tile by itself. A tile that kills its worker costs that tile and no other; what an
engine remembers of a run dies with it, the files of the tiles do not.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from typing import Any

from napari_cellseg.core.errors import CellsegError, OptionsError
from napari_cellseg.core.processors import threads_each

#: Does a tile and returns how many cells it has. For Dask it must be picklable.
DoTile = Callable[[int], int]
#: Number of a tile, and how many cells it has or why it could not be done.
News = tuple[int, int | BaseException]

#: So many tiles a worker are handed out at a time; the others wait here, so that a stop
#: is a stop, and a scheduler holds little.
TILES_A_WORKER = 2
#: A worker that is not heard of for so long is given up, and its tile given to another.
SILENT_SECONDS = "60s"
#: How long a scheduler is waited for.
WAIT_SECONDS = "30s"
#: A tile is tried once more where its worker raised an error.
N_RETRIES = 1


def do_here(do_tile: DoTile, numbers: Sequence[int]) -> Generator[News]:
    """Do tiles in this process; yield each as it is done."""
    for number in numbers:
        try:
            yield number, do_tile(number)
        except (CellsegError, MemoryError, RuntimeError, ValueError, OSError) as error:
            yield number, error


def do_with_dask(
    do_tile: DoTile,
    numbers: Sequence[int],
    *,
    n_workers: int,
    address: str | None = None,
    check: Callable[[], None] | None = None,
) -> Generator[News]:
    """Let Dask do tiles; yield each as it is done, in any order.

    Parameters
    ----------
    do_tile : callable
        Picklable; runs in the workers.
    numbers : sequence of int
        Of the tiles.
    n_workers : int
        Processes on this computer, where no address is given.
    address : str or None
        Of a scheduler, such as ``"tcp://head:8786"``; its workers must see the same files.
    check : callable or None
        Picklable; raises in a worker that cannot do tiles, before the first is handed out.

    Raises
    ------
    OptionsError
        If Dask is not installed, there is no scheduler at the address, it has no worker, or
        one of them fails the check.
    """
    dask, distributed = _dask()
    settings = {
        "distributed.scheduler.worker-ttl": SILENT_SECONDS,
        "distributed.nanny.environ.OMP_NUM_THREADS": threads_each(n_workers),
    }
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        if address is None:
            cluster = distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",
            )
            address = stack.enter_context(cluster).scheduler_address
        client = stack.enter_context(_connected(distributed, address))
        workers = _workers(client, address)
        if check is not None:
            _check(client, workers, check)
        yield from _handed_out(distributed, client, do_tile, numbers, len(workers))


def _workers(client: Any, address: str) -> list[str]:
    """Return the addresses of the workers of a scheduler."""
    try:
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except TimeoutError as error:
        raise OptionsError(
            f"The Dask scheduler at '{address}' has no worker. Start some, each with `dask "
            f"worker {address} --nthreads 1`."
        ) from error
    return sorted(client.nthreads())


def _check(client: Any, workers: Sequence[str], check: Callable[[], None]) -> None:
    """Raise `OptionsError` that names a worker which cannot do tiles."""
    asked = [client.submit(check, workers=[each], pure=False) for each in workers]
    errors = [future.exception() for future in asked]
    failed = [(each, why) for each, why in zip(workers, errors, strict=True) if why]
    if failed:
        others = f" (as {len(failed) - 1} others)" if failed[1:] else ""
        raise OptionsError(
            f"The Dask worker {failed[0][0]}{others} cannot do tiles. {failed[0][1]}"
        ) from failed[0][1]


def _handed_out(
    distributed: Any, client: Any, do_tile: DoTile, numbers: Sequence[int], n_there: int
) -> Generator[News]:
    """Hand out a few tiles at a time; yield each as it is done."""
    waiting = deque(numbers)
    suspects: list[int] = []
    numbers_of: dict[Any, int] = {}
    done = distributed.as_completed(loop=client.loop)

    def handed_out(number: int) -> Any:
        # Not pure: a tile that was done and whose file was removed is done again.
        return client.submit(do_tile, number, pure=False, retries=N_RETRIES)

    def hand_out() -> None:
        number = waiting.popleft()
        future = handed_out(number)
        numbers_of[future] = number
        done.add(future)

    for _ in range(min(TILES_A_WORKER * n_there, len(waiting))):
        hand_out()
    for future in done:
        number, error = numbers_of.pop(future), future.exception()
        if isinstance(error, distributed.KilledWorker):
            suspects.append(number)
        else:
            yield number, future.result() if error is None else error
        if waiting:
            hand_out()
    # A worker that dies takes tiles with it that only waited there: each gets its own try.
    for number in suspects:
        future = handed_out(number)
        error = future.exception()
        yield number, future.result() if error is None else error


def _dask() -> tuple[Any, Any]:
    """Return Dask and its scheduler."""
    try:
        import dask
        import distributed
    except ImportError as error:
        raise OptionsError(
            "Several workers need Dask, which is not installed: pip install "
            "'napari-cellseg[slides]', or leave out --workers and --scheduler."
        ) from error
    # It tells of every worker that comes and goes; what matters is in our own news.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return dask, distributed


def _connected(distributed: Any, address: str) -> Any:
    """Return a client of a scheduler."""
    try:
        return distributed.Client(address, timeout=WAIT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OptionsError(
            f"No Dask scheduler answers at '{address}' ({error}). Start one with `dask "
            "scheduler`, and give the address that it prints, such as tcp://head:8786."
        ) from error
