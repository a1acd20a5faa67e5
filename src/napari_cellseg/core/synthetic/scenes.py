"""Scenes with exactly known truth, in the manner of SIMCEP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.labels.arrays import relabel_sequential
from napari_cellseg.core.synthetic import (
    blank,
    bodies,
    brightfield,
    fluorescence,
    histology,
    optics,
    phase,
    rods,
    tissue,
)
from napari_cellseg.core.synthetic.arrangement import Layout, whole_in_field
from napari_cellseg.core.synthetic.options import SceneOptions
from napari_cellseg.core.synthetic.textures import Field
from napari_cellseg.core.types import CellImage, Labels, PixelSize

#: The margin is this much of a diameter, so that cells at the edge are drawn whole.
MARGIN_DIAMETERS = 0.6
#: Kinds that shine on a dark ground.
GLOWING = ("nuclei", "whole_cells", "glowing_rods", "cell_bodies")
#: Kinds in colour.
COLOURED = ("histology", "tissue")
#: What a camera counts without light, of its range.
DARK_LEVEL = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An image and its truth.

    Attributes
    ----------
    image : CellImage
        (C, Y, X), uint8 or uint16; three channels and `is_rgb` for `COLOURED` kinds.
    labels : (Y, X) int32
        Every cell one 4-connected piece; ids run from 1 to n.
    options : SceneOptions
        What was asked for.
    """

    image: CellImage
    labels: Labels
    options: SceneOptions


def make_scene(options: SceneOptions, seed: int) -> Scene:
    """Return a scene of the kind that the options name.

    After Lehmussola et al. (2007), doi:10.1109/TMI.2007.896925, with more kinds of
    cells.

    Parameters
    ----------
    options : SceneOptions
        Size, cells and microscope.
    seed : int
        0 or more; the same seed and options give the same scene.
    """
    rng = np.random.default_rng(seed)
    cells = options.cells
    margin = int(MARGIN_DIAMETERS * cells.diameter_px) + 4
    layout = Layout(
        options.shape_yx, margin, cells.n_cells, cells.diameter_px, cells.clustering
    )
    draw = {
        "nuclei": _nuclei,
        "whole_cells": _whole_cells,
        "phase_contrast": _phase_contrast,
        "histology": _histology,
        "brightfield_rounded": _brightfield,
        "rods": _rods,
        "glowing_rods": _glowing_rods,
        "cell_bodies": _cell_bodies,
        "blank": _blank,
        "tissue": _tissue,
    }[cells.kind]
    if cells.kind not in GLOWING:
        # Transmitted light has no haze: the ground is as bright as the cells.
        options = replace(options, optics=replace(options.optics, haze=0.0))
    canvas, light = draw(layout, options, rng)
    lamp = optics.light_field(options.shape_yx, options.optics, rng)
    light = light[:, *layout.field] * lamp  # (c, y, x)
    offset = DARK_LEVEL if cells.kind in GLOWING else 0.0
    seen = optics.expose(light, options.optics, rng)
    pixels = optics.digitize(seen, options.optics, offset)
    labels = relabel_sequential(canvas[layout.field])[0]
    return Scene(_image_of(pixels, options), labels, options)


def _image_of(pixels: NDArray[Any], options: SceneOptions) -> CellImage:
    """Return the pixels with the names and the size that the options give them."""
    cells = options.cells
    size = options.pixel_size_um
    names: tuple[str, ...] = (cells.kind.replace("_", " "),)
    if cells.kind in COLOURED:
        names = ()
    elif cells.kind == "whole_cells":
        names = ("cytoplasm", "nuclei")[: len(pixels)]
    return CellImage(
        pixels,
        pixel_size=None if size is None else PixelSize(size, size),
        channel_names=names,
        is_rgb=cells.kind in COLOURED,
        name=f"synthetic {cells.kind.replace('_', ' ')}",
    )


def _nuclei(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw fluorescent nuclei."""
    labels = whole_in_field(
        fluorescence.nuclei_labels(layout, options.cells, rng), layout
    )
    light = fluorescence.nuclei_light(labels, options.cells, rng)
    light = fluorescence.dim_some(light, labels, rng)
    light = light + fluorescence.dirt_light(layout.canvas_yx, options.cells, rng)
    return labels, optics.focus(light, options.optics)[None]


def _whole_cells(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw fluorescent cytoplasm and, if asked for, its nuclei."""
    cells = options.cells
    labels = whole_in_field(fluorescence.sheet_labels(layout, cells, rng), layout)
    nuclei = fluorescence.inner_nuclei(labels, rng.uniform(0.5, 0.75), rng)
    light = fluorescence.cytoplasm_light(labels, nuclei, cells, rng)
    light = light + fluorescence.dirt_light(layout.canvas_yx, cells, rng)
    channels = [optics.focus(light, options.optics)]
    if cells.has_nuclei_channel:
        stained = fluorescence.nuclei_light(nuclei, cells, rng)
        channels.append(optics.focus(stained, options.optics))
    return labels, np.stack(channels)


def _phase_contrast(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw spread cells in phase contrast."""
    labels = whole_in_field(phase.spread_labels(layout, options.cells, rng), layout)
    light = phase.phase_light(labels, options.cells, rng)
    return labels, optics.focus(light, options.optics)[None]


def _brightfield(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw rods where long cells are asked for, else rounded cells."""
    cells = options.cells
    is_rod = cells.elongation >= 2
    place = brightfield.rod_labels if is_rod else brightfield.round_labels
    labels = whole_in_field(place(layout, cells, rng), layout)
    shine = brightfield.rod_light if is_rod else brightfield.round_light
    return labels, optics.focus(shine(labels, cells, rng), options.optics)[None]


def _rods(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw bacteria in phase contrast."""
    labels = whole_in_field(rods.rods_labels(layout, options.cells, rng), layout)
    light = rods.dark_light(labels, options.cells, rng)
    return labels, optics.focus(light, options.optics)[None]


def _glowing_rods(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw bacteria in fluorescence."""
    labels = whole_in_field(rods.rods_labels(layout, options.cells, rng), layout)
    light = rods.glow(labels, options.cells, rng)
    light = light + fluorescence.dirt_light(layout.canvas_yx, options.cells, rng)
    return labels, optics.focus(light, options.optics)[None]


def _cell_bodies(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw stained cell bodies on each other."""
    labels = whole_in_field(bodies.bodies_labels(layout, options.cells, rng), layout)
    light = bodies.bodies_light(labels, options.cells, rng)
    return labels, optics.focus(light, options.optics)[None]


def _blank(
    layout: Layout, _: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw a field without a cell; its noise has been through the lens already."""
    labels = np.zeros(layout.canvas_yx, np.int32)
    return labels, blank.blank_light(layout.canvas_yx, rng)[None]


def _histology(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw stained tissue in colour."""
    labels = whole_in_field(
        fluorescence.nuclei_labels(layout, options.cells, rng), layout
    )
    light = histology.tissue_light(labels, options.cells, rng)
    return labels, np.stack(
        [optics.focus(channel, options.optics) for channel in light]
    )


def _tissue(
    layout: Layout, options: SceneOptions, rng: np.random.Generator
) -> tuple[Labels, Field]:
    """Draw a section with all that lies between its nuclei."""
    labels = whole_in_field(tissue.section_labels(layout, options.cells, rng), layout)
    light = tissue.section_light(labels, options.cells, rng)
    return labels, np.stack(
        [optics.focus(channel, options.optics) for channel in light]
    )
