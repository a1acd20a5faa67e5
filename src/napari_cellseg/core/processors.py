"""How many processors there are to share."""

from __future__ import annotations

import os


def n_processors() -> int:
    """Return how many processors this process may use.

    A cluster's scheduler or a container may give it fewer than the computer has; more threads
    than that get into each other's way.
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(n_processes: int) -> int:
    """Return how many threads each of several processes may compute with."""
    return max(1, n_processors() // n_processes)
