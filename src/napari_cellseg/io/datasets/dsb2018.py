"""Data Science Bowl 2018: ``ID/images/ID.png`` and one mask a cell in ``ID/masks/``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.io.datasets.source import (
    Source,
    SourceImage,
    image_files,
    none_found,
)
from napari_cellseg.io.exchange.cells import FoundCell, FoundLabels, labels_of_cells
from napari_cellseg.io.limits import sizes_in_words
from napari_cellseg.io.reading.images import read_image


def find_dsb2018(folder: Path) -> Source:
    """Return the images of a folder of DSB2018, such as ``stage1_train``.

    Raises
    ------
    ImageReadError
        If there is none with masks.
    """
    images = []
    n_without = 0
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        pixels = list(image_files(place / "images"))
        masks = tuple(image_files(place / "masks"))
        n_without += bool(pixels) and not masks
        if pixels and masks:
            read = partial(_labels, masks)
            images.append(
                SourceImage(place.name, pixels[0], read, masks, kind="DSB2018")
            )
    if not images:
        raise none_found(folder, "ID/images/ID.png with ID/masks/*.png")
    note = f"{n_without} images have no masks and were left out."
    return Source(tuple(images), (note,) if n_without else ())


def _labels(masks: tuple[Path, ...], shape: tuple[int, ...]) -> FoundLabels:
    """Return labels of masks of one cell each, in the order of their names."""
    cells = []
    for path in masks:
        plane = read_image(path).plane()[0]  # (y, x)
        if plane.shape != shape[-2:]:
            raise LabelsError(
                f"The mask {path.name} has the size {sizes_in_words(plane.shape)}, but its image "
                f"has {sizes_in_words(shape)}. Take the masks of this image."
            )
        cells.append(FoundCell(np.flatnonzero(plane)))
    return labels_of_cells(cells, tuple(shape[-2:]))
