"""Crops of what a person has checked, and of the base set that is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.segmentation.zoom import zoom_for
from napari_cellseg.core.synthetic import (
    Scene,
    random_blank,
    random_bodies,
    random_rods,
    random_scene,
    random_tissue,
)
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.nn.fine_tuning.examiner import item_diameter_px
from napari_cellseg.nn.training.batches import (
    TrainingImage,
    known_share,
    training_image,
)
from napari_cellseg.nn.training.data import PERCENTILES

#: Scenes of our own generators stand for "everything else": some are replayed, others only
#: measured. They are drawn from these seeds, so every training has the same. Among both is
#: every kind of scene; but the empty field is not measured, where one grain would count as
#: much as a whole scene of cells gone wrong.
REPLAY_SEEDS = range(7_000_000, 7_000_032)
BASE_SEEDS = range(8_006_480, 8_006_495)
#: Which generator draws a scene, by its seed: of sixteen in a row nine are of the common
#: kinds, two are bacteria, two sections of tissue, two cell bodies on each other, one empty.
GENERATORS = (
    *(random_scene, random_rods, random_scene, random_tissue),
    *(random_scene, random_bodies, random_scene, random_scene),
    *(random_scene, random_rods, random_scene, random_tissue),
    *(random_scene, random_bodies, random_scene, random_blank),
)
SCENE_SHAPE_YX = (288, 288)
YOURS, REPLAY = "yours", "replay"
#: The names of replayed scenes begin so; they are nothing that a person could look at.
REPLAYED = "replayed scene"
#: Checked parts nearer to each other than this are cut out as one.
NEAR_PX = 64
#: Checked parts are looked for on a grid of this step.
GRID_PX = 16
#: Thresholds are tuned on at most about so many pixels, and so much of an image.
TUNED_PX = 2_000_000
TUNED_EDGE_PX = 768
#: A pixel of yours counts at most so many times a replayed one, see `as_shared`.
MAX_WEIGHT = 8.0
#: A part is drawn once more for each so many cells.
CELLS_A_DRAW = 20


def training_images(
    items: Sequence[TrainingItem], best_px: float
) -> list[TrainingImage]:
    """Return the checked parts ready for cropping, those with more cells more often.

    Each part is cut out with what surrounds it: crops that show nothing checked would
    teach nothing. Cells are shown at the size at which they are seen when segmenting; a
    median over cells that differ much in size would be another one.

    Parameters
    ----------
    items : sequence of TrainingItem
        What is checked.
    best_px : float
        Diameter that the network is best at.
    """
    images = []
    for item in items:
        diameter = item_diameter_px(item)
        whole = replace(
            training_image(item.plane, item.labels, YOURS, PERCENTILES, item.name),
            diameter_px=diameter,
            shown_px=diameter * zoom_for(diameter, best_px),
        )
        for box in _parts(item.valid):
            cells = np.unique(item.labels[box][item.valid[box]])
            part = replace(
                whole,
                pixels=whole.pixels[(slice(None), *box)].clone(),
                truth=whole.truth[(slice(None), *box)].clone(),
                valid=torch.from_numpy(item.valid[box].copy()),
            )
            images += [part] * max(1, round(len(cells) / CELLS_A_DRAW))
    return images


def parts_to_tune(items: Sequence[TrainingItem]) -> list[TrainingItem]:
    """Return what thresholds are tuned on: of large images, the middle of their cells.

    All pairs of thresholds are tried on it; on whole images that would take longer than
    the learning.
    """
    parts: list[TrainingItem] = []
    n_px = 0
    for item in items:
        if parts and n_px >= TUNED_PX:
            break
        ids = item.cell_ids()
        if not len(ids):
            continue
        middles = ndimage.center_of_mass(item.labels > 0, item.labels, ids)
        middle = np.median(np.array(middles), axis=0).astype(int)
        box = tuple(
            slice(max(0, place - TUNED_EDGE_PX // 2), place + TUNED_EDGE_PX // 2)
            for place in middle
        )
        valid = np.zeros_like(item.valid)
        valid[box] = item.valid[box]
        parts.append(replace(item, valid=valid))
        n_px += int(np.prod([min(TUNED_EDGE_PX, size) for size in valid.shape]))
    return parts


def _parts(valid: NDArray[np.bool_]) -> list[tuple[slice, ...]]:
    """Return boxes around the checked parts, with a margin; near ones are one."""
    coarse = np.zeros([-(-size // GRID_PX) for size in valid.shape], dtype=bool)
    rows, columns = np.nonzero(valid)
    coarse[rows // GRID_PX, columns // GRID_PX] = True
    edge = 2 * (NEAR_PX // GRID_PX) + 1
    near = ndimage.binary_dilation(coarse, np.ones((edge, edge), dtype=bool))
    pieces, _ = ndimage.label(near)
    return [
        tuple(
            slice(part.start * GRID_PX, min(part.stop * GRID_PX, size))
            for part, size in zip(box, valid.shape, strict=True)
        )
        for box in ndimage.find_objects(pieces)
    ]


def base_scene(seed: int) -> Scene:
    """Return a scene of the base set; the seed alone decides which and of what kind."""
    return GENERATORS[seed % len(GENERATORS)](seed, SCENE_SHAPE_YX)


def replayed_images() -> list[TrainingImage]:
    """Return the base images that are replayed, ready for cropping."""
    images = []
    for seed in REPLAY_SEEDS:
        scene = base_scene(seed)
        images.append(
            training_image(
                scene.image.plane(),
                scene.labels,
                REPLAY,
                PERCENTILES,
                f"{REPLAYED} {seed}",
            )
        )
    return images


def as_shared(
    yours: Sequence[TrainingImage], replayed: Sequence[TrainingImage], crop_px: int
) -> list[TrainingImage]:
    """Return both so that crops of each count alike, however few of yours is known.

    Base scenes are known everywhere, but of a crop around locked cells a tenth may be: the
    loss is a mean over known pixels, so the base set would drown what it is to go along
    with. Measured with 80 locked cells on electron microscopy (a tenth of the crops known;
    60 steps): mSA 0.139 before, 0.242 with equal pixels, 0.283 so; see `docs/measured/training.md`.
    """
    ratio = known_share(replayed, crop_px) / max(known_share(yours, crop_px), 1e-6)
    weight = min(max(ratio, 1.0), MAX_WEIGHT)
    return [*(replace(image, weight=weight) for image in yours), *replayed]


def base_items() -> list[TrainingItem]:
    """Return the base images that models are compared on; they never change."""
    items = []
    for seed in BASE_SEEDS:
        scene = base_scene(seed)
        everywhere = np.ones(scene.labels.shape, dtype=bool)
        plane = scene.image.plane()
        items.append(
            TrainingItem(plane, scene.labels, everywhere, f"base {seed}", str(seed))
        )
    return items
