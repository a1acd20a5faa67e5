"""A segmenter of parts without a network, and slides for it."""

from dataclasses import replace

import edt
import numpy as np
from scipy import ndimage

from fakes import FAKE_SPEC
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.slides.plan import SlidePlan


class FakePartSegmenter:
    """What is bright, or dark in colour, is a cell.

    It sees each pixel by itself: parts and the whole agree to the last pixel.

    Parameters
    ----------
    diameter_px : float or None
        What it finds when it is asked for the size of the cells.
    """

    spec = FAKE_SPEC
    device = "CPU"

    def __init__(self, diameter_px=10.0):
        self.diameter_px = diameter_px
        self.n_looks = 0

    def find_zoom(self, plane, bounds, options):
        self.n_looks += 1
        yield Progress(0, 1, "looking")
        return 1.0, self.diameter_px

    def maps_of_part(self, part, options):
        yield Progress(0, 1, "reading the part")
        seen = part.seen()
        is_cell = seen[0] > 0.5 if len(part.pixels) == 1 else seen.min(0) < 0.5
        labels = ndimage.label(is_cell)[0]
        maps = np.zeros((5, *is_cell.shape), np.uint8)
        maps[0] = 255 * is_cell
        maps[1] = np.minimum(255, 60 * edt.edt(labels.astype(np.int32)))
        maps[3:] = 128
        return maps

    def close(self):
        pass


def disks(shape_yx: tuple[int, int], middles: list[tuple[int, int]]) -> CellImage:
    """Return a dark image with bright disks of 13 px."""
    pixels = np.zeros(shape_yx, np.uint8)
    rows, columns = np.indices(shape_yx)
    for y, x in middles:
        pixels[(rows - y) ** 2 + (columns - x) ** 2 <= 36] = 200
    return CellImage(pixels[None], name="disks")


def plan_of(image: CellImage, **options: object) -> SlidePlan:
    """Return a plan that shows the image as it is."""
    settled = settled_options(SegmentOptions(**options), FAKE_SPEC)
    shape_yx = int(image.shape[1]), int(image.shape[2])
    bounds = (0.0, 200.0) if not image.is_rgb else (0.0, 240.0)
    channels = (0, 1, 2) if image.is_rgb else (0,)
    settled = replace(settled, diameter_px=13.0, min_confidence=0.0)
    return SlidePlan(shape_yx, channels, bounds, 1.0, settled)
