"""Whether the memory of this computer can hold what an image needs."""

from __future__ import annotations

import psutil

from napari_cellseg.core.errors import LimitError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.limits import human_bytes

#: Most that is held for a pixel of the plane in work: its values, maps, heights and several
#: labels. Measured on a stained section: 3.14 GB for 8192² pixels, 1.54 GB for 4096².
BYTES_A_PIXEL = 32
#: For a pixel of all planes: its label, and what the network said of it if that is kept.
LABEL_BYTES = 4
MAPS_BYTES = 5


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
