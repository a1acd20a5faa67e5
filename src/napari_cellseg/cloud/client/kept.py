"""Tiles that have arrived, kept on disk until the whole image has.

A server's work is paid for once: a connection that breaks, or a program that is closed,
costs the tiles that were on their way and no more.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.segmentation.tiling import Tile
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.room import make_room
from napari_cellseg.io.s3.cache import cache_bytes

logger = logging.getLogger(__name__)

#: What nobody came back for within a week is removed.
KEEP_SECONDS = 7 * 24 * 3600.0


class KeptTiles:
    """The answers for one plane.

    Parameters
    ----------
    key : str
        Of pixels, model and everything else that an answer depends on, see `key_of`.
    """

    def __init__(self, key: str) -> None:
        self._folder = kept_folder() / key

    def read(self, tile: Tile) -> bytes | None:
        """Return the answer for a tile, or None if it has not arrived."""
        try:
            return self._file(tile).read_bytes()
        except OSError:
            return None

    def write(self, tile: Tile, body: bytes) -> None:
        """Keep an answer; where that cannot be, the run goes on without."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self._file(tile)) as temporary:
                temporary.write_bytes(body)
        except (OSError, SaveError) as error:
            logger.warning("A tile could not be kept: %s", error)

    def forget(self) -> None:
        """Remove the answers."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, tile: Tile) -> Path:
        (top, bottom), (left, right) = tile.core_y, tile.core_x
        return self._folder / f"{top}-{bottom}-{left}-{right}.zip"


def kept_folder() -> Path:
    """Return where tiles are kept for this user."""
    return Path(user_cache_path("napari-cellseg")) / "tiles"


def key_of(plane: NDArray[Any], *depends: object) -> str:
    """Return a key for the pixels of a plane and whatever else an answer depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (plane.shape, plane.dtype.str, *depends):
        digest.update(repr(part).encode() + b"\0")
    for rows in plane:
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()


def forget_old(folder: Path) -> None:
    """Remove what was kept for too long, and what is more than the cache may hold."""
    oldest = time.time() - KEEP_SECONDS
    for kept in folder.iterdir() if folder.is_dir() else ():
        try:
            is_old = kept.stat().st_mtime < oldest
        except OSError:
            continue
        if is_old:
            shutil.rmtree(kept, ignore_errors=True)
    make_room(folder, 0, cache_bytes())
