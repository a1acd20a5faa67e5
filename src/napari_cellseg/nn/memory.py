"""Memory: whether there is enough for an image, and what is freed kept for the next layer."""

from __future__ import annotations

import ctypes
import sys

import psutil

from napari_cellseg.core.errors import LimitError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.limits import human_bytes

#: ``mallopt`` of glibc: https://man7.org/linux/man-pages/man3/mallopt.3.html.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: Arrays up to this size are taken from memory that the process has already.
REUSED_BYTES = 128 * 2**20
#: So much freed memory is kept at most; half of it was not enough (0.34 s for 0.21 s).
KEPT_BYTES = 512 * 2**20
#: Most that is held for a pixel of the plane in work: its values, maps, heights and several
#: labels. Measured on a stained section: 3.14 GB for 8192² pixels, 1.54 GB for 4096².
BYTES_A_PIXEL = 32
#: For a pixel of all planes: its label, and what the network said of it if that is kept.
LABEL_BYTES = 4
MAPS_BYTES = 5


def keep_freed_memory() -> bool:
    """Let glibc keep large arrays that were freed; False where that is not possible.

    It else hands each one back to the system and takes it again page by page: for the
    network on 1024² px on two cores 109,000 page faults, 0.14 of 0.38 s.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    is_reused = mallopt(M_MMAP_THRESHOLD, REUSED_BYTES)
    is_kept = mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    return bool(is_reused and is_kept)


def check_memory(image: CellImage, options: SegmentOptions) -> None:
    """Raise `LimitError` if an image needs more than the whole memory of this computer.

    Without it the system ends the program when the work is half done, and with it whatever
    else was to be done in the same run.
    """
    plane_px = image.n_along("Y") * image.n_along("X")
    all_bytes = LABEL_BYTES + (MAPS_BYTES if options.keep_maps else 0)
    needed = plane_px * (BYTES_A_PIXEL + all_bytes * (image.n_planes - 1))
    there = psutil.virtual_memory().total + psutil.swap_memory().total
    if needed > there:
        raise LimitError(
            f"'{image.name}' ({image.n_planes} x {image.n_along('Y')} x "
            f"{image.n_along('X')} pixels) needs about {human_bytes(needed)} of memory to be "
            f"segmented at once; this computer has {human_bytes(there)}. Choose a region "
            "(--region on the command line) or a lower resolution (--level); one plane of "
            "any size can be done with `cellseg slide`."
        )
