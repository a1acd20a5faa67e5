"""Scenes in which everything is drawn at random, as extra training images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from napari_cellseg.core.synthetic.options import (
    KINDS,
    CellOptions,
    OpticsOptions,
    SceneOptions,
)
from napari_cellseg.core.synthetic.scenes import GLOWING, Scene, make_scene

#: How often each of the first `KINDS` is drawn; phase contrast is rare among labelled
#: images.
KIND_SHARES = (0.25, 0.2, 0.3, 0.12, 0.13)
DIAMETERS_PX = (8.0, 120.0)
#: Widths of bacteria.
WIDTHS_PX = (3.5, 20.0)
GLOWING_RODS_SHARE = 0.35
#: Sizes of cell bodies that lie on each other.
BODY_DIAMETERS_PX = (20.0, 100.0)
#: Share of their scenes that are far out of focus.
DEFOCUSED_SHARE = 0.45
#: Sizes of nuclei in sections.
NUCLEUS_DIAMETERS_PX = (8.0, 60.0)
#: Share of scenes without any cell.
EMPTY_SHARE = 0.02

Shape: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class RandomScenes:
    """Draws scenes of one sort; each is a call with a seed.

    Attributes
    ----------
    stream : int
        Keeps the random numbers of the sorts apart.
    draw : callable
        Draws what a scene of a size in pixels shows, and through what.
    """

    stream: int
    draw: Callable[[Shape, np.random.Generator], SceneOptions]

    def __call__(self, seed: int, shape_yx: Shape = (256, 256)) -> Scene:
        """Return a scene.

        Parameters
        ----------
        seed : int
            0 or more; the same seed and shape give the same scene.
        shape_yx : tuple of int
            Size in pixels.
        """
        rng = np.random.default_rng([seed, self.stream])
        return make_scene(self.draw(shape_yx, rng), seed)


def _any_options(shape_yx: Shape, rng: np.random.Generator) -> SceneOptions:
    """Return cells of any of the common kinds."""
    cells = random_cells(shape_yx, rng)
    optics = random_optics(cells, rng)
    if cells.flatness > 0:
        # Thin cells drown in more noise or blur, and nobody would mark them.
        optics = replace(optics, noise=0.3 * optics.noise, blur_px=0.5 * optics.blur_px)
    return SceneOptions(shape_yx, cells, optics)


def _rods_options(shape_yx: Shape, rng: np.random.Generator) -> SceneOptions:
    """Return bacteria."""
    low, high = map(math.log, WIDTHS_PX)
    width, elongation = math.exp(rng.uniform(low, high)), rng.uniform(1.5, 7)
    diameter = width * math.sqrt(4 / math.pi * elongation)
    coverage = rng.uniform(0.02, 0.8)
    cells = CellOptions(
        kind="glowing_rods" if rng.random() < GLOWING_RODS_SHARE else "rods",
        n_cells=_n_covering(coverage, shape_yx, diameter),
        diameter_px=diameter,
        size_spread=rng.uniform(0.05, 0.3),
        elongation=elongation,
        clustering=rng.choice([rng.uniform(0, 0.9), rng.uniform(0.9, 1.0)]),
        texture=rng.uniform(0.05, 1),
        variation=rng.uniform(0.05, 0.5),
        debris=rng.uniform(0, 1) ** 2,
    )
    optics = random_optics(cells, rng)
    # What is as thin as this is lost in more blur.
    optics = replace(optics, blur_px=min(optics.blur_px, 0.2 + 0.12 * width))
    return SceneOptions(shape_yx, cells, optics)


def _bodies_options(shape_yx: Shape, rng: np.random.Generator) -> SceneOptions:
    """Return cell bodies on each other."""
    low, high = map(math.log, BODY_DIAMETERS_PX)
    diameter = math.exp(rng.uniform(low, high))
    coverage = rng.uniform(0.05, 0.8)
    cells = CellOptions(
        kind="cell_bodies",
        n_cells=_n_covering(coverage, shape_yx, diameter),
        diameter_px=diameter,
        size_spread=rng.uniform(0.03, 0.25),
        elongation=1 + rng.exponential(0.25) % 0.9,
        irregularity=rng.uniform(0, 0.8),
        clustering=rng.uniform(0.2, 1),
        texture=rng.uniform(0.05, 1),
        variation=rng.uniform(0.05, 0.8),
        debris=0.0,
    )
    optics = random_optics(cells, rng)
    if rng.random() < DEFOCUSED_SHARE:
        optics = replace(optics, blur_px=min(12.0, rng.uniform(0.03, 0.2) * diameter))
    return SceneOptions(shape_yx, cells, optics)


def _blank_options(shape_yx: Shape, rng: np.random.Generator) -> SceneOptions:
    """Return a field without a cell."""
    cells = CellOptions(kind="blank", n_cells=0)
    optics = random_optics(cells, rng)
    # What is added here is white: little of it, or it hides the other.
    optics = replace(optics, noise=0.3 * optics.noise, contrast=1.0)
    return SceneOptions(shape_yx, cells, optics)


def _tissue_options(shape_yx: Shape, rng: np.random.Generator) -> SceneOptions:
    """Return a section of tissue."""
    low, high = map(math.log, NUCLEUS_DIAMETERS_PX)
    diameter = math.exp(rng.uniform(low, high))
    coverage = 0.02 + 0.5 * rng.random() ** 1.5
    cells = CellOptions(
        kind="tissue",
        n_cells=_n_covering(coverage, shape_yx, diameter),
        diameter_px=diameter,
        size_spread=rng.uniform(0.05, 0.3),
        elongation=1 + rng.exponential(0.35) % 0.95,
        irregularity=rng.uniform(0.1, 0.7),
        clustering=rng.uniform(0, 0.9),
        texture=rng.uniform(0.1, 1),
        variation=rng.uniform(0.05, 0.5),
        debris=rng.random(),
    )
    return SceneOptions(shape_yx, cells, random_optics(cells, rng))


def random_cells(shape_yx: tuple[int, int], rng: np.random.Generator) -> CellOptions:
    """Return what to show, drawn over the wide ranges of this module."""
    kind = str(rng.choice(KINDS[: len(KIND_SHARES)], p=KIND_SHARES))
    low, high = DIAMETERS_PX
    high = min(high, 0.5 * min(shape_yx))
    if kind == "phase_contrast":
        low = 16.0
    diameter = math.exp(rng.uniform(math.log(low), math.log(max(high, low))))
    coverage = (
        rng.uniform(0.02, 0.9) if kind != "whole_cells" else rng.uniform(0.1, 1.4)
    )
    n_cells = _n_covering(coverage, shape_yx, diameter)
    is_rod = kind == "brightfield_rounded" and rng.random() < 0.5
    is_spread = kind in ("phase_contrast", "whole_cells")
    return CellOptions(
        kind=kind,
        n_cells=0 if rng.random() < EMPTY_SHARE else n_cells,
        diameter_px=diameter,
        size_spread=rng.uniform(0.05, 0.4),
        elongation=rng.uniform(2, 6) if is_rod else 1 + rng.exponential(0.3) % 0.95,
        irregularity=rng.uniform(0, 0.9 if is_spread else 0.45),
        clustering=rng.uniform(0, 0.95),
        texture=rng.uniform(0.05, 1),
        variation=rng.uniform(0.05, 0.7),
        debris=rng.uniform(0, 1) ** 2,
        flatness=max(0.0, rng.uniform(-1, 1)) if kind == "phase_contrast" else 0.0,
    )


def random_optics(cells: CellOptions, rng: np.random.Generator) -> OpticsOptions:
    """Return a microscope and a camera, drawn over wide ranges."""
    is_glowing = cells.kind in GLOWING
    sharp = 0.02 * cells.diameter_px
    fall = 0.6 if is_glowing else 0.2
    return OpticsOptions(
        blur_px=min(
            5.0 if is_glowing else 2.5,
            rng.uniform(0.2, 1.0) + sharp * rng.exponential(1.0),
        ),
        haze=0.5 * rng.random() ** 2,
        noise=0.002 + (0.12 if is_glowing else 0.03) * rng.random() ** 2,
        grain_px=rng.choice([0.0, rng.uniform(0, 1)]),
        uneven_light=fall * rng.random() ** 2,
        vignetting=fall * rng.random() ** 2,
        contrast=rng.uniform(0.1, 1.2) if is_glowing else rng.uniform(0.6, 1.1),
        bit_depth=int(rng.choice([8, 12, 16])),
    )


def _n_covering(coverage: float, shape_yx: tuple[int, int], diameter_px: float) -> int:
    """Return how many cells cover a share of a field; 3 at least."""
    cell_area_px = math.pi * diameter_px**2 / 4
    return max(3, round(coverage * math.prod(shape_yx) / cell_area_px))


#: Kind, cells and microscope are drawn at random: diameters from 8 to 120 px, densities
#: from empty to confluent. One channel, or red, green and blue.
random_scene = RandomScenes(1, _any_options)
#: Bacteria with widths from 3.5 to 20 px.
random_rods = RandomScenes(2, _rods_options)
#: Cell bodies on each other, sharp or far out of focus.
random_bodies = RandomScenes(3, _bodies_options)
#: No cell, and noise that is smoothed in one way or another.
random_blank = RandomScenes(4, _blank_options)
#: A section in colour: nuclei among all that lies between them.
random_tissue = RandomScenes(5, _tissue_options)
