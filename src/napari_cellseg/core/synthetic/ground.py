"""What lies between the nuclei of a stained section: fibres, froth, red cells, spaces."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from napari_cellseg.core.synthetic.textures import (
    Field,
    fibre_noise,
    smooth_noise,
    wide_blur,
)
from napari_cellseg.core.types import Labels

#: Draws one kind of tissue: shape (y, x), diameter of a nucleus in px, randomness.
_Draw = Callable[[tuple[int, int], float, np.random.Generator], Field]


def ground_stain(labels: Labels, diameter_px: float, rng: np.random.Generator) -> Field:
    """Return the amount of the counterstain, 0 in empty spaces and about 0.6 elsewhere.

    Two kinds of tissue meet along a smooth line; cells have a body around the nucleus;
    spaces, holes and halos are cut out; red blood cells lie on top.

    Parameters
    ----------
    labels : (y, x) int32
        The nuclei.
    diameter_px : float
        Of a nucleus; all structures scale with it.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    shape = (labels.shape[0], labels.shape[1])
    draws = tuple(_TISSUES.values())
    first, second = (
        draws[which](shape, diameter_px, rng)
        for which in rng.integers(len(draws), size=2)
    )
    side = smooth_noise(shape, rng.uniform(2, 6) * diameter_px, rng) + rng.normal(
        0, 0.7
    )
    share = 1 / (1 + np.exp(-rng.uniform(2, 12) * side))
    amount = share * first + (1 - share) * second
    amount += rng.choice([0, 1]) * _cell_bodies(labels, diameter_px, rng)
    amount *= 1 - _spaces(labels, diameter_px, rng)
    if rng.random() < 0.5:
        amount = _with_red_cells(amount, labels, diameter_px, rng)
    return np.asarray(np.clip(amount, 0, 3) * rng.uniform(0.5, 1.5), np.float32)


def _glass(
    shape: tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Field:
    """Draw an even ground with a little cloud and grain."""
    clouds = smooth_noise(shape, rng.uniform(0.5, 2) * diameter_px, rng)
    grains = smooth_noise(shape, rng.uniform(0.3, 1.5), rng)
    return np.asarray(
        0.6 + rng.uniform(0.02, 0.12) * clouds + rng.uniform(0, 0.1) * grains,
        np.float32,
    )


def _grains(
    shape: tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Field:
    """Draw coarse grain, as of nerve tissue: knots of a tenth of a nucleus."""
    knot = max(0.6, rng.uniform(0.03, 0.14) * diameter_px)
    grains = smooth_noise(shape, knot, rng)
    clouds = smooth_noise(shape, diameter_px, rng)
    return np.asarray(0.6 + rng.uniform(0.1, 0.3) * grains + 0.06 * clouds, np.float32)


def _froth(
    shape: tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Field:
    """Draw pale bubbles with stained walls, as of nerve tissue and of mucus."""
    spacing = max(
        4.0, diameter_px * math.exp(rng.uniform(math.log(0.2), math.log(1.2)))
    )
    depth = _depth_in_cells(shape, spacing, rng)
    walls = np.exp(-depth / rng.uniform(0.1, 0.4))
    grains = smooth_noise(shape, rng.uniform(0.5, 1.5), rng)
    pale = rng.uniform(0.05, 0.45)
    return np.asarray(pale + 0.6 * walls + 0.06 * grains, np.float32)


def _fibres(
    shape: tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Field:
    """Draw bundles of fibres with sharp cracks between them."""
    length = rng.uniform(3, 12) * diameter_px
    bundles = fibre_noise(
        shape, length, max(2.0, rng.uniform(0.2, 2.0) * diameter_px), rng
    )
    threads = fibre_noise(
        shape, length, max(1.2, rng.uniform(0.05, 0.2) * diameter_px), rng
    )
    height = rng.uniform(-0.8, 1.5)
    filled = 1 / (1 + np.exp(-rng.uniform(3, 25) * (bundles + height)))
    return np.asarray(
        filled * (0.65 + rng.uniform(0.03, 0.2) * threads + 0.08 * bundles), np.float32
    )


def _plates(
    shape: tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Field:
    """Draw plates with empty cracks between them, larger than nuclei: torn tissue."""
    spacing = max(6.0, diameter_px * math.exp(rng.uniform(0, math.log(5))))
    depth = _depth_in_cells(shape, spacing, rng)
    whole = 1 / (1 + np.exp(-rng.uniform(20, 80) * (depth - rng.uniform(0.03, 0.25))))
    clouds = smooth_noise(shape, 0.5 * spacing, rng)
    grains = smooth_noise(shape, rng.uniform(0.5, 2), rng)
    return np.asarray(whole * (0.7 + 0.12 * clouds + 0.05 * grains), np.float32)


def _depth_in_cells(
    shape: tuple[int, int], spacing: float, rng: np.random.Generator
) -> Field:
    """Return how far a pixel is from the walls of a curved tessellation, in spacings."""
    n_centres = max(4, int(math.prod(shape) / spacing**2))
    centres = rng.uniform((0, 0), shape, (n_centres, 2))
    places = np.indices(shape, dtype=np.float32)
    for axis in range(2):
        places[axis] += 0.2 * spacing * smooth_noise(shape, 0.3 * spacing, rng)
    near, _ = spatial.cKDTree(centres).query(places.reshape(2, -1).T, k=2, workers=1)
    return np.asarray((near[:, 1] - near[:, 0]).reshape(shape) / spacing, np.float32)


def _strands(
    shape: tuple[int, int], diameter_px: float, rng: np.random.Generator
) -> Field:
    """Draw thin strands that cross each other on an almost empty ground."""
    amount = np.full(shape, rng.uniform(0.02, 0.2), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        width = max(1.5, rng.uniform(0.1, 0.4) * diameter_px)
        lines = fibre_noise(shape, rng.uniform(2, 6) * diameter_px, width, rng)
        amount += rng.uniform(0.3, 0.7) * np.exp(
            -((lines / rng.uniform(0.15, 0.4)) ** 2)
        )
    return amount


#: Kinds of tissue by name.
_TISSUES: dict[str, _Draw] = {
    "glass": _glass,
    "grains": _grains,
    "froth": _froth,
    "fibres": _fibres,
    "plates": _plates,
    "strands": _strands,
}


def _cell_bodies(labels: Labels, diameter_px: float, rng: np.random.Generator) -> Field:
    """Return the stain of the bodies around nuclei, each in a tone of its own."""
    if not labels.any():
        return np.zeros(labels.shape, np.float32)
    away, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    owner = labels[nearest[0], nearest[1]]
    tones = rng.normal(rng.uniform(-0.2, 0.4), 0.15, int(labels.max()) + 1)
    reach = rng.uniform(0.3, 1.5) * diameter_px
    amount = tones[owner] / (1 + np.exp((away - reach) / max(0.7, 0.05 * diameter_px)))
    meets = np.zeros(labels.shape, np.float32)
    meets[1:] += owner[1:] != owner[:-1]
    meets[:, 1:] += owner[:, 1:] != owner[:, :-1]
    walls = wide_blur(meets, max(0.7, 0.04 * diameter_px)) * (away < reach)
    return np.asarray(amount + rng.uniform(-0.5, 0.6) * walls, np.float32)


def _spaces(labels: Labels, diameter_px: float, rng: np.random.Generator) -> Field:
    """Return where nothing is, 0 to 1: clefts, round holes, halos of nuclei."""
    shape = (labels.shape[0], labels.shape[1])
    nuclei = (labels > 0).astype(np.float32)
    empty = np.zeros(shape, np.bool_)
    if rng.random() < 0.5:
        near = wide_blur(nuclei, 0.4 * diameter_px)
        open_here = smooth_noise(shape, rng.uniform(0.4, 2.5) * diameter_px, rng)
        empty |= open_here - 3 * near > rng.uniform(0.6, 2.2)
    if rng.random() < 0.5:
        empty |= _discs(shape, rng.uniform(0.1, 0.9) * diameter_px, rng) & (labels == 0)
    spaces = empty.astype(np.float32)
    if rng.random() < 0.35 and labels.any():
        away = ndimage.distance_transform_edt(labels == 0)
        owners = rng.random(int(labels.max()) + 1) < rng.uniform(0.1, 1)
        is_haloed = ndimage.grey_dilation(owners[labels] * (labels > 0), (9, 9)) > 0
        width = rng.uniform(0.08, 0.4) * diameter_px
        spaces = np.maximum(spaces, is_haloed * (away < width) * rng.uniform(0.4, 1))
    soft = ndimage.gaussian_filter(spaces, rng.uniform(0.4, 1.2))
    return np.asarray(soft * rng.uniform(0.7, 1), np.float32)


def _discs(
    shape: tuple[int, int], radius_px: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return where discs of about one size lie, in groups, some of them overlapping."""
    coverage = 0.35 * rng.random() ** 2
    n_discs = int(coverage * math.prod(shape) / (math.pi * radius_px**2)) + 1
    centres = rng.uniform((0, 0), shape, (n_discs, 2))
    group = rng.integers(0, n_discs // 8 + 1, n_discs)
    spread = rng.uniform(1, 6) * radius_px
    centres = np.where(
        rng.random((n_discs, 1)) < 0.6,
        centres[group] + rng.normal(0, spread, (n_discs, 2)),
        centres,
    )
    radii = radius_px * np.exp(rng.uniform(0, 0.35) * rng.normal(size=n_discs))
    inside = np.zeros(shape, np.bool_)
    for (y, x), radius in zip(centres, radii, strict=True):
        top, left = max(0, int(y - radius)), max(0, int(x - radius))
        window = inside[top : int(y + radius) + 2, left : int(x + radius) + 2]
        if window.size:
            rows, columns = np.ogrid[: window.shape[0], : window.shape[1]]
            window |= (rows + top - y) ** 2 + (columns + left - x) ** 2 < radius**2
    return inside


def _with_red_cells(
    amount: Field, labels: Labels, diameter_px: float, rng: np.random.Generator
) -> Field:
    """Return the amount with red blood cells: even discs without a nucleus."""
    shape = (labels.shape[0], labels.shape[1])
    radius = max(2.0, rng.uniform(0.25, 0.5) * diameter_px)
    inside = _discs(shape, radius, rng) & (labels == 0)
    depth = ndimage.distance_transform_edt(inside)
    tone = rng.uniform(0.7, 1.8) * (1 - rng.uniform(0, 0.4) * (depth > 0.5 * radius))
    return np.asarray(np.where(inside, tone, amount), np.float32)
