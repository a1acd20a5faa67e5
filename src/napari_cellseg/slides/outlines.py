"""The cells of a slide as outlines for QuPath, a tile at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.core.labels.rings import polygons_of
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.types import LABELS_DTYPE, CellImage
from napari_cellseg.io.exchange.cells import Cells, measurements_of
from napari_cellseg.io.exchange.geojson import feature_of
from napari_cellseg.slides.joining import JoinedSlide
from napari_cellseg.slides.table import tile_rows
from napari_cellseg.slides.tile_file import read_tile, tile_path


def features_of(
    folder: Path,
    joined: JoinedSlide,
    image: CellImage,
    pixels_a_level_pixel: tuple[float, float],
) -> Iterator[dict[str, Any]]:
    """Yield the cells of a slide as GeoJSON features, those of one tile after another.

    Parameters
    ----------
    folder : Path
        Where the tiles lie.
    joined : JoinedSlide
        Which cell has which number.
    image : CellImage
        The slide.
    pixels_a_level_pixel : (y, x)
        How many pixels of the full resolution one of the slide is: QuPath counts in those.
    """
    no_labels = np.zeros((0, 0), LABELS_DTYPE)
    for number, labels in joined.numbers.items():
        places = np.flatnonzero(labels)
        if not places.size:
            continue
        tile = read_tile(tile_path(folder, number))
        rows = tile_rows(tile, labels, places)
        measured = measurements_of(MeasurementTable(rows, image.pixel_size, "YX", 0))
        cells = Cells(no_labels, image_name=image.name, measurements=measured)
        for place in places:
            corner = tile.boxes[place, :2]
            polygons = [
                [(ring + corner) * pixels_a_level_pixel for ring in rings]
                for rings in polygons_of(tile.masks[place])
            ]
            yield feature_of(cells, int(labels[place]), (), polygons)
