"""A run in tiles gives the cells of a run on the whole plane, whatever the tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.segmentation.intensity import normalize
from napari_cellseg.core.segmentation.tiling import HALO_PX, Tile, plan_tiles
from napari_cellseg.core.synthetic import CellOptions, SceneOptions, make_scene
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import Labels, PlaneMaps
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.nn.inference.predict import Predictor
from napari_cellseg.nn.weights import load_model

SHAPE = (416, 448)


class Field:
    """A field of nuclei, and what the shipped model says of it in tiles or whole."""

    def __init__(self) -> None:
        network, self.spec = load_model(find_model(None))
        self.predictor = Predictor(network, torch.device("cpu"))
        cells = CellOptions(kind="nuclei", n_cells=140)
        plane = make_scene(SceneOptions(SHAPE, cells), 3).image.plane()
        self.pixels = normalize(plane, 1, 99.8)
        self.largest_px = 0
        self.whole = self.labels_of(None)

    def labels_of(self, tiles: list[Tile] | None, *, augmented: bool = False) -> Labels:
        *_, (_, _, maps) = self.predictor.predict_tiles(
            self.read, SHAPE, tiles=tiles, augmented=augmented
        )
        options = settled_options(SegmentOptions(), self.spec)
        return labels_from_maps(PlaneMaps(maps, SHAPE), options)[0]

    def read(self, window: tuple[slice, slice]) -> NDArray[np.float32]:
        part = self.pixels[(slice(None), *window)]
        self.largest_px = max(self.largest_px, part[0].size)
        return part


@pytest.fixture(scope="module")
def field() -> Field:
    return Field()


def test_averaged_views_in_tiles_give_the_cells_of_the_whole_plane(
    field: Field,
) -> None:
    tiles = plan_tiles(SHAPE, 192, HALO_PX, 192)
    whole = field.labels_of(None, augmented=True)
    assert whole.max() > 80
    labels = field.labels_of(tiles, augmented=True)
    assert match_labels(whole, labels, [0.9])[0].average_precision >= 0.995


@pytest.mark.parametrize("core_px", [96, 128, 160, 192, 256, 320])
def test_tiles_give_the_cells_of_the_whole_plane(field: Field, core_px: int) -> None:
    tiles = plan_tiles(SHAPE, core_px, HALO_PX, core_px)
    field.largest_px = 0
    labels = field.labels_of(tiles)
    assert field.whole.max() > 80
    assert len(tiles) >= 4
    assert match_labels(field.whole, labels, [0.9])[0].average_precision >= 0.995
    # What is held of the plane at once does not grow with it.
    assert field.largest_px <= (core_px + 2 * HALO_PX) ** 2
