"""From labels to the maps that the network learns.

distance: Euclidean distance to the edge of the own cell, divided by its maximum in that
cell. flow: unit vectors that lead to the middle of the own cell along the inside of the
cell, from simulated heat diffusion (Stringer et al. 2021, doi:10.1038/s41592-020-01018-x);
ours starts at the deepest point of the cell, so that the two maps agree on the middle.
"""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.compiled import compiled


@dataclass(frozen=True, slots=True, eq=False)
class TargetMaps:
    """What the network should say of one plane.

    Attributes
    ----------
    distance : (y, x) uint8
        0..255 for 0..1; 0 outside cells, 255 in the middle of each.
    flow : (2, y, x) int8
        y and x of the unit vector, -127..127 for -1..1; 0 outside cells.
    """

    distance: NDArray[np.uint8]
    flow: NDArray[np.int8]


def make_targets(labels: NDArray[np.int32]) -> TargetMaps:
    """Return the maps of one plane of labels, a (y, x) int32 array with ids 1..n."""
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    depth = np.asarray(
        edt.edt(labels.astype(np.uint32), black_border=False), dtype=np.float32
    )
    # A cell that fills the plane has no edge to be far from.
    depth = np.where(np.isfinite(depth), depth, 1.0)
    distance = np.zeros(labels.shape, dtype=np.uint8)
    flow = np.zeros((2, *labels.shape), dtype=np.int8)
    for index, box in enumerate(ndimage.find_objects(labels)):
        if box is None:
            continue
        inside = labels[box] == index + 1
        own_depth = np.where(inside, depth[box], 0)
        distance[box][inside] = np.round(255 * own_depth / own_depth.max())[inside]
        own_flow = _diffusion_flow(inside, own_depth)
        flow[0][box][inside] = np.round(127 * own_flow[0])[inside]
        flow[1][box][inside] = np.round(127 * own_flow[1])[inside]
    return TargetMaps(distance, flow)


def _diffusion_flow(
    inside: NDArray[np.bool_], depth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the (2, y, x) unit vectors that lead up the heat of one cell."""
    padded = np.pad(inside, 1)
    source = _middle(inside, depth)
    height, width = inside.shape
    heat = _diffuse(padded, source[0] + 1, source[1] + 1, 2 * (height + width))
    heat = np.log1p(heat)
    gradient = np.stack(
        [heat[2:, 1:-1] - heat[:-2, 1:-1], heat[1:-1, 2:] - heat[1:-1, :-2]]
    )
    length = np.sqrt((gradient**2).sum(0))
    return np.asarray(gradient / np.maximum(length, 1e-12), dtype=np.float32)


def _middle(inside: NDArray[np.bool_], depth: NDArray[np.float32]) -> tuple[int, int]:
    """Return the point nearest the centroid among the deepest ones of the cell."""
    ys, xs = np.nonzero(inside)
    deep = depth[ys, xs] >= 0.85 * depth.max()
    squared = (ys[deep] - ys.mean()) ** 2 + (xs[deep] - xs.mean()) ** 2
    nearest = int(squared.argmin())
    return int(ys[deep][nearest]), int(xs[deep][nearest])


@compiled
def _diffuse(inside, source_y, source_x, n_steps):  # type: ignore[no-untyped-def]
    """Diffuse heat from the source for `n_steps`; the cell's edge is at temperature 0."""
    height, width = inside.shape
    heat = np.zeros((height, width), np.float64)
    after = np.zeros((height, width), np.float64)
    for _ in range(n_steps):
        heat[source_y, source_x] += 1.0
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                if inside[y, x]:
                    total = 0.0
                    for dy in range(-1, 2):
                        for dx in range(-1, 2):
                            total += heat[y + dy, x + dx]
                    after[y, x] = total / 9.0
        heat, after = after, heat
    return heat
