"""Loops that numba compiles, with the result kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function compiled at its first call; it frees the GIL while it runs.

    What was compiled is kept beside the source or in the folder of the user. Where
    neither can be written to, such as in a locked-down container, numba refuses; it is
    then compiled anew in each process.
    """
    try:
        kept: Callable[..., Any] = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # "cannot cache function"
        kept = numba.njit(nogil=True)(function)
    return kept
