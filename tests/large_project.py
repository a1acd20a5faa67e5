"""Projects whose labels count as large, as the limit is lowered."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project

PITCH = 40
#: Four chunks and a part of a fifth each way.
SIDE = 4 * 512 + 100
LOWERED_PX = 2**20


def grid(side=SIDE, pitch=PITCH, edge=30):
    """Return squares of `edge` pixels, numbered row by row from 1."""
    n = side // pitch
    labels = np.zeros((side, side), np.int32)
    for index in range(n * n):
        y, x = (pitch * place for place in divmod(index, n))
        labels[y : y + edge, x : x + edge] = index + 1
    return labels


def bright_grid():
    """Return an image in which the squares of `grid` are bright."""
    return (grid() > 0).astype(np.uint8) * 200


def large_project(
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    pixels: np.ndarray | None = None,
    *,
    has_cells: bool = True,
) -> Path:
    """Make a project of one image that counts as large, and return its folder.

    Without pixels the file of the image is none that could be read. Its cells, if it has
    any, are those of `grid`.
    """
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.LARGE_PX", LOWERED_PX)
    image = parent / "slide.tif"
    if pixels is None:
        image.write_bytes(b"pixels")
    else:
        tifffile.imwrite(image, pixels)
    with create_project(parent / "large") as project:
        project.add_images([image])
        if has_cells:
            project.start_labels(1, NewLabels(grid(), "YX"))
        return project.folder
