"""Labels of a file that are read by boxes, as they are too large for memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading.images import open_labels

#: A box at a time is read: neither the whole nor a plane has to fit into memory. Labels of
#: few cells are packed a thousandfold and more.
BOXED = replace(ReadLimits(), max_bytes=2**50, lazy_bytes=0, max_ratio=1e6)


class BoxedLabels:
    """Labels of a file; index them by slices of each axis.

    Parameters
    ----------
    image : CellImage
        Of one channel.

    Attributes
    ----------
    shape : tuple of int
        (Y, X), with T and Z before it where there are any.
    pixel_size : PixelSize or None
        None if the file does not say.
    """

    def __init__(self, image: CellImage) -> None:
        self._data: Any = image.data
        self._channel = image.axes.index("C")
        self.shape = image.labels_shape
        self.pixel_size: PixelSize | None = image.pixel_size

    def __getitem__(self, box: tuple[slice, ...]) -> NDArray[Any]:
        """Return what lies in a box; raises `ImageReadError` if it cannot be read."""
        key = (*box[: self._channel], 0, *box[self._channel :])
        return np.asarray(self._data[key])


def open_boxed(path: str | Path, shape: tuple[int, ...], name: str) -> BoxedLabels:
    """Return labels of a file for an image of a shape; no pixel is read.

    A TIFF or OME-Zarr is read by boxes, any other file as a whole.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : tuple of int
        Of the labels of the image.
    name : str
        Of the image, for the error.

    Raises
    ------
    ImageReadError, LimitError
        If it cannot be read.
    LabelsError
        If it is of another size, or holds several channels.
    """
    labels = BoxedLabels(open_labels(path, limits=BOXED))
    if labels.shape != shape:
        sizes = [" × ".join(f"{n:,}" for n in one) for one in (labels.shape, shape)]
        raise LabelsError(
            f"The cells in the file have the size {sizes[0]}, but '{name}' has "
            f"{sizes[1]}. Choose the file that was made of this image."
        )
    return labels
