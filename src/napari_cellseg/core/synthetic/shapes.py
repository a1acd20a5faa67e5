"""Outlines of single cells, as polygons around (0, 0)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon

Outline = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """The pixels of one cell about its centre.

    Attributes
    ----------
    rows, columns : (n,) int
        Pixel coordinates relative to the centre; no pixel twice.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def stamp_of(outlines: list[Outline]) -> Stamp:
    """Return the pixels inside any of the (n, 2) y, x `outlines`."""
    points = np.concatenate(outlines)
    corner = np.floor(points.min(axis=0)).astype(int) - 1
    end = np.ceil(points.max(axis=0)).astype(int) + 2
    mask = np.zeros(end - corner, bool)
    for outline in outlines:
        y, x = (outline - corner).T
        mask[polygon(y, x, mask.shape)] = True  # type: ignore[no-untyped-call]
    rows, columns = np.nonzero(mask)
    return Stamp(rows + corner[0], columns + corner[1])


def turned(outline: Outline, angle: float) -> Outline:
    """Return the outline turned about (0, 0) by `angle` radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.asarray(outline @ np.array([[cosine, sine], [-sine, cosine]]))


def _angles(radius_px: float) -> NDArray[np.float64]:
    """Return angles about 1.5 px apart on a circle, 24 at least."""
    return np.linspace(0, 2 * math.pi, max(24, int(4 * radius_px)), endpoint=False)


def blob_outline(
    radius_px: float, elongation: float, irregularity: float, rng: np.random.Generator
) -> Outline:
    """Return an ellipse with a wavy edge, turned at random.

    After the parametric shapes of Lehmussola et al. (2007),
    doi:10.1109/TMI.2007.896925; ours are Fourier series, which have no corners.

    Parameters
    ----------
    radius_px : float
        Radius of the circle of about the same area.
    elongation : float
        Long over short axis, 1 or more.
    irregularity : float
        0 for a smooth ellipse, 1 for lobes nearly half the radius high.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    angles = _angles(radius_px)
    radius = np.ones_like(angles)
    for order in range(2, 8):
        height = irregularity * 0.35 * rng.normal() / order
        radius += height * np.cos(order * angles + rng.uniform(0, 2 * math.pi))
    radius = radius_px * np.clip(radius, 0.4, 1.8)
    stretch = math.sqrt(elongation)
    outline = np.stack(
        [radius * np.sin(angles) / stretch, radius * np.cos(angles) * stretch], axis=1
    )
    return turned(outline, rng.uniform(0, math.pi))


def cornered_outline(
    radius_px: float, irregularity: float, rng: np.random.Generator
) -> Outline:
    """Return a body with a few corners joined by nearly straight sides.

    Parameters
    ----------
    radius_px : float
        Radius of the circle of about the same area.
    irregularity : float
        0 for even corners, 1 for spikes and dents.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    n_corners = int(rng.integers(6, 12))
    spacing = rng.dirichlet(np.full(n_corners, 12.0))
    angles = 2 * math.pi * np.cumsum(spacing) + rng.uniform(0, 2 * math.pi)
    height = 1 + (0.06 + 0.2 * irregularity) * rng.normal(size=n_corners)
    radius = 1.05 * radius_px * np.clip(height, 0.6, 1.5)
    corners = np.stack([radius * np.sin(angles), radius * np.cos(angles)], axis=1)
    n_between = max(2, int(radius_px / 2))
    share = np.linspace(0, 1, n_between, endpoint=False)[:, None]
    sides = corners[:, None] * (1 - share) + np.roll(corners, -1, 0)[:, None] * share
    bulge = 1 + 0.06 * rng.normal(size=(n_corners, 1, 1)) * (4 * share * (1 - share))
    return np.asarray((sides * bulge).reshape(-1, 2))


def spread_outline(
    radius_px: float,
    n_arms: int,
    elongation: float,
    irregularity: float,
    rng: np.random.Generator,
) -> Outline:
    """Return a flat, spread cell: a body drawn out to tips, with hollow sides.

    Parameters
    ----------
    radius_px : float
        Radius of the circle of about the same area.
    n_arms : int
        Number of tips; 2 gives a spindle.
    elongation : float
        How much the whole is drawn out along one line, 1 or more.
    irregularity : float
        0 for smooth sides, 1 for a ragged edge.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    angles = _angles(2 * radius_px)
    radius = np.full_like(angles, rng.uniform(0.4, 0.7))
    first = rng.uniform(0, 2 * math.pi)
    for arm in range(n_arms):
        middle = first + 2 * math.pi * arm / n_arms + rng.normal(0, 0.35)
        reach = rng.uniform(0.4, 1.6) * (1.4 if n_arms <= 2 else 1.0)
        # A power of 1 gives a pointed tip with hollow sides, 2 a blunt one.
        distance = np.abs(np.sin((angles - middle) / 2))
        power = rng.choice([1.0, 1.0, 1.4, 2.0])
        radius += reach * np.exp(-((distance / rng.uniform(0.12, 0.35)) ** power))
    for wave_px in (5.0, 12.0):
        radius *= 1 + 0.12 * irregularity * _ring_noise(angles.size, wave_px, rng)
    area = 0.5 * np.sum(radius**2) * (2 * math.pi / angles.size)
    radius *= radius_px * math.sqrt(math.pi / area)
    stretch = math.sqrt(elongation)
    outline = np.stack(
        [radius * np.sin(angles) / stretch, radius * np.cos(angles) * stretch], axis=1
    )
    outline = turned(outline, rng.uniform(0, 2 * math.pi))
    bend = rng.normal(0, 0.12) / radius_px
    outline[:, 0] += bend * (outline[:, 1] ** 2 - radius_px**2)
    return turned(outline, rng.uniform(0, 2 * math.pi))


def _ring_noise(n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return n values of noise around a ring, in some stretches stronger."""
    noise = ndimage.gaussian_filter1d(rng.normal(size=n), scale, mode="wrap")
    strength = ndimage.gaussian_filter1d(rng.normal(size=n), n / 12, mode="wrap")
    strength = np.clip(strength / max(float(strength.std()), 1e-9), 0, 2)
    return np.asarray(strength * noise / max(float(noise.std()), 1e-9))


def arm_outline(
    length_px: float, width_px: float, angle: float, rng: np.random.Generator
) -> Outline:
    """Return a thin, winding, tapering arm that starts at (0, 0) towards `angle`.

    Parameters
    ----------
    length_px, width_px : float
        Length, and width at the start; the tip is a third as wide, 1.5 px at least.
    angle : float
        Radians, 0 along x.
    rng : numpy.random.Generator
        Where the randomness comes from.
    """
    n_points = max(6, int(length_px / 3))
    headings = angle + np.cumsum(rng.normal(0, 0.9 / math.sqrt(n_points), n_points))
    steps = np.stack([np.sin(headings), np.cos(headings)], axis=1) * (
        length_px / n_points
    )
    line = np.cumsum(steps, axis=0)
    width = np.maximum(np.linspace(width_px, width_px / 3, n_points), 1.5)
    return ribbon_outline(line, width)


def rod_outline(
    length_px: float, width_px: float, angle: float, rng: np.random.Generator
) -> Outline:
    """Return a slightly bent rod with round ends; angle in radians, 0 along x."""
    half = max(length_px - width_px, 1.0) / 2
    along = np.linspace(-half, half, 12)
    bend = rng.normal(0, 0.06) / max(half, 1.0)
    line = np.stack([bend * (along**2 - half**2 / 3), along], axis=1)
    sides = ribbon_outline(line, np.full(len(along), width_px))
    return turned(rounded_outline(sides, line, width_px), angle)


def rounded_outline(sides: Outline, line: Outline, width_px: float) -> Outline:
    """Return the outline of a ribbon with round ends.

    Parameters
    ----------
    sides : (2n, 2) float
        The ribbon, see `ribbon_outline`.
    line : (n, 2) float
        Its middle, y and x.
    width_px : float
        Its width.
    """
    cap = np.linspace(-math.pi / 2, math.pi / 2, 7)[1:-1]
    ends = []
    for tip, inner in ((line[-1], line[-2]), (line[0], line[1])):
        angle = math.atan2(*(tip - inner))
        around = np.stack([np.sin(cap + angle), np.cos(cap + angle)], axis=1)
        ends.append(around * width_px / 2 + tip)
    n_line = len(line)
    return np.concatenate([sides[:n_line], ends[0], sides[n_line:], ends[1]])


def ribbon_outline(line: Outline, width_px: NDArray[np.float64]) -> Outline:
    """Return the outline of a line of (n, 2) points with a width at each point."""
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * width_px[:, None] / 2
    return np.concatenate([line + normal, (line - normal)[::-1]])
