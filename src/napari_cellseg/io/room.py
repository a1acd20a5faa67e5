"""Room in a folder of copies: what was not used for longest goes first."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

#: A copy that was used so recently may be open in a window, and stays.
IN_USE_SECONDS = 600.0


def make_room(folder: Path, n_bytes: int, limit: int) -> None:
    """Remove files below a folder until so many bytes fit, those unused for longest first.

    Parameters
    ----------
    folder : Path
        Of copies that can be had again; its empty folders go as well.
    n_bytes : int
        Needed.
    limit : int
        In bytes; what was used within `IN_USE_SECONDS` stays even so.
    """
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in found) + n_bytes
    for used, size, path in sorted(found):
        if total <= limit or used > time.time() - IN_USE_SECONDS:
            break
        with suppress(OSError):  # Windows keeps what is open
            path.unlink()
            total -= size
            _remove_empty(path.parent, folder)


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove a folder and those above it, as far as they are empty; raises OSError then."""
    while folder != top:
        folder.rmdir()
        folder = folder.parent
