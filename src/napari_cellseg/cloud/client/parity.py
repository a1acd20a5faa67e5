"""Does a server give the same cells as this computer: one window both ways."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from napari_cellseg.core.jobs import Job
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.training.matching import iou_matrix, match_pairs
from napari_cellseg.core.types import CellImage, Labels, SegmentationResult

#: A window of at most this edge is compared, from the middle of the image.
WINDOW_PX = 768
#: Cells that overlap by so much are taken for the same one.
SAME_IOU = 0.9


@dataclass(frozen=True, slots=True)
class Parity:
    """What the comparison found.

    Attributes
    ----------
    is_same : bool
        True if every pixel has the same label.
    is_same_model : bool
        True if both ran the same weights.
    n_there, n_here : int
        Cells the server found, and this computer.
    n_agree : int
        Cells of both that overlap by `SAME_IOU` or more.
    digest_there, digest_here : str
        SHA-256 of the labels.
    """

    is_same: bool
    is_same_model: bool
    n_there: int
    n_here: int
    n_agree: int
    digest_there: str
    digest_here: str

    @property
    def words(self) -> str:
        """The finding in a sentence or two."""
        if self.is_same and self.is_same_model:
            return (
                f"The same: {self.n_there} cells both ways, identical to the pixel "
                f"(labels {self.digest_there[:12]})."
            )
        counts = (
            f"{self.n_there} cells there, {self.n_here} here; {self.n_agree} of them "
            f"agree (labels {self.digest_there[:12]} and {self.digest_here[:12]})."
        )
        if not self.is_same_model:
            return (
                f"Different models: {counts} The server has other weights than this "
                "computer; results of both do not belong into one table."
            )
        return (
            f"Nearly the same: {counts} Another kind of processor rounds in another way, "
            "which moves single pixels."
        )


def compare_places(
    there: Segmenter, here: Segmenter, image: CellImage, options: SegmentOptions
) -> Job[Parity]:
    """Segment the middle of an image on a server and on this computer.

    Parameters
    ----------
    there, here : Segmenter
        The server, and this computer with the same model if it has it.
    image : CellImage
        Any; its first plane in the middle of each axis is used.
    options : SegmentOptions
        As the person set them.

    Raises
    ------
    CellsegError
        If one of the two cannot segment it.
    """
    window = middle_of(image)
    asked = replace(options, keep_maps=False)
    far = yield from there.segment(window, asked)
    near = yield from here.segment(window, asked)
    return Parity(
        bool(np.array_equal(far.labels, near.labels)),
        far.model_digest == near.model_digest,
        far.n_cells,
        near.n_cells,
        _n_agree(far, near),
        labels_digest(far.labels),
        labels_digest(near.labels),
    )


def middle_of(image: CellImage) -> CellImage:
    """Return the middle window of an image's middle plane."""
    key: list[slice | int] = []
    for axis, size in zip(image.axes, image.shape, strict=True):
        if axis in "TZ":
            key.append(size // 2)
        elif axis in "YX":
            start = max(0, (size - WINDOW_PX) // 2)
            key.append(slice(start, start + WINDOW_PX))
        else:
            key.append(slice(None))
    return replace(image, data=np.asarray(image.data[tuple(key)]), axes="CYX")


def labels_digest(labels: Labels) -> str:
    """Return the SHA-256 of labels: their shape, then their int32 values."""
    digest = hashlib.sha256(repr(labels.shape).encode())
    digest.update(np.ascontiguousarray(labels).data)
    return digest.hexdigest()


def _n_agree(far: SegmentationResult, near: SegmentationResult) -> int:
    """Return how many cells of both are the same."""
    if not (far.n_cells and near.n_cells):
        return 0
    return len(match_pairs(iou_matrix(far.labels, near.labels), SAME_IOU)[0])
