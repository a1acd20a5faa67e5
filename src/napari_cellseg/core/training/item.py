"""What a model learns from, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_cellseg.core.editing.checked import CheckedArea, checked_mask
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.arrays import areas, relabel_sequential
from napari_cellseg.core.labels.boxes import cell_boxes, grown
from napari_cellseg.core.labels.on_disk import LabelsOnDisk, is_on_disk
from napari_cellseg.core.segmentation.intensity import choose_channels
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.types import CellImage, Labels

#: Crops hold ids as float32, which tells no larger ones apart.
MAX_ID = 2**24
#: Around a locked cell so many pixels are known to be no part of it.
RING_PX = 4


@dataclass(frozen=True, slots=True, eq=False)
class TrainingItem:
    """One plane with the labels of it that a person vouches for.

    Attributes
    ----------
    plane : (1 or 3, y, x) array
        The whole plane: intensities are scaled by all of it, as when segmenting.
    labels : (y, x) int32
        Cells; what lies outside `valid` is not used. Ids above `MAX_ID` are numbered anew.
    valid : (y, x) bool
        Where the labels are right: inside checked areas, on and around locked cells.
    name : str
        What the person calls the image.
    group : str
        Items of one group (image, patient) are never on both sides of a split.
    pixel_um2 : float or None
        Area of a pixel, None where it is not known.
    """

    plane: NDArray[np.generic]
    labels: Labels
    valid: NDArray[np.bool_]
    name: str
    group: str
    pixel_um2: float | None = None

    def __post_init__(self) -> None:
        shape = self.plane.shape
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise TrainingError(
                f"'{self.name}' has pixels of shape {shape}; one channel or colour, "
                "(1 or 3, y, x), is needed. Choose the channel that shows the cells."
            )
        if self.labels.shape != shape[1:] or self.valid.shape != shape[1:]:
            raise TrainingError(
                f"'{self.name}' is {shape[1]} × {shape[2]} pixels, but its labels have "
                f"the shape {self.labels.shape}. Use the labels made on this image."
            )
        if self.plane.dtype.kind == "f" and not np.isfinite(self.plane).any():
            raise TrainingError(
                f"'{self.name}' has no pixel that is a number: all are NaN or infinite. "
                "Leave the image out, or choose another channel."
            )
        if int(self.labels.max(initial=0)) > MAX_ID:
            object.__setattr__(self, "labels", relabel_sequential(self.labels)[0])

    def cell_ids(self) -> NDArray[np.int32]:
        """Return the cells that lie mostly where the labels are right."""
        n_ids = int(self.labels.max(initial=0)) + 1
        n_pixels = areas(self.labels, n_ids)
        n_valid = areas(self.labels[self.valid], n_ids)
        is_in = 2 * n_valid > n_pixels
        is_in[0] = False
        return np.flatnonzero(is_in).astype(np.int32)


@dataclass(frozen=True, slots=True)
class TrainingSupply:
    """What there is to learn from, in numbers.

    Attributes
    ----------
    n_images, n_cells : int
        Images with something valid, and cells in it.
    area_px : int
        Valid pixels.
    area_um2 : float or None
        The same, None where the pixel size of an image is not known.
    """

    n_images: int
    n_cells: int
    area_px: int
    area_um2: float | None = None


def supply_of(items: Sequence[TrainingItem]) -> TrainingSupply:
    """Return what there is to learn from."""
    return joined_supply(
        [
            TrainingSupply(
                1,
                len(item.cell_ids()),
                n_pixels := int(item.valid.sum()),
                None if item.pixel_um2 is None else n_pixels * item.pixel_um2,
            )
            for item in items
        ],
        len({(item.group, item.name) for item in items}),
    )


def joined_supply(
    supplies: Sequence[TrainingSupply], n_images: int | None = None
) -> TrainingSupply:
    """Return several supplies as one, of other images each if `n_images` is None."""
    areas = [each.area_um2 for each in supplies]
    known = [area for area in areas if area is not None]
    return TrainingSupply(
        sum(each.n_images for each in supplies) if n_images is None else n_images,
        sum(each.n_cells for each in supplies),
        sum(each.area_px for each in supplies),
        sum(known) if areas and len(known) == len(areas) else None,
    )


def items_of(
    image: CellImage,
    labels: Labels,
    areas: Sequence[CheckedArea] = (),
    locked: Iterable[int] = (),
    *,
    channel: int | None = None,
) -> list[TrainingItem]:
    """Return an item for each plane in which something is checked; may be empty.

    Inside checked areas everything counts, background too. Elsewhere only locked cells
    and a ring around each count: what was not looked at is neither cell nor background.
    Of labels too large for memory only the checked areas count, an item each.

    Parameters
    ----------
    image : CellImage
        The pixels.
    labels : int32 array
        With the axes of the image, without C.
    areas : sequence of CheckedArea
        Where everything was looked at.
    locked : iterable of int
        Cells that a person made, edited or accepted.
    channel : int, optional
        Which one shows the cells; needed where there are several.

    Raises
    ------
    TrainingError
        If the labels do not fit the image.
    ImageError
        If the channel has to be named.
    """
    if labels.shape != image.labels_shape:
        raise TrainingError(
            f"'{image.name}' has planes of shape {image.labels_shape}, its labels "
            f"{labels.shape}. Use the labels made on this image."
        )
    if is_on_disk(labels):
        parts = [_part_of(image, labels, area) for area in areas]
        found = [items_of(*part, set(locked), channel=channel) for part in parts]
        return [item for several in found for item in several]
    valid = checked_mask(areas, labels.shape)
    ids = set(locked)
    channels = list(choose_channels(image, channel))
    size = image.pixel_size
    items = []
    for index in image.plane_indices():
        known = valid[index] | known_around(labels[index], ids)
        if known.any():
            items.append(
                TrainingItem(
                    image.plane(index)[channels],
                    labels[index],
                    known,
                    image.name,
                    image.source or image.name,
                    None if size is None else size.y_um * size.x_um,
                )
            )
    return items


def _part_of(
    image: CellImage, labels: LabelsOnDisk, area: CheckedArea
) -> tuple[CellImage, Labels, list[CheckedArea]]:
    """Return the pixels and labels around a checked area, and the area as seen there."""
    size = np.array(labels.shape[-2:])
    low = np.clip(np.floor(area.outline_yx.min(0)).astype(int), 0, size - 1)
    high = np.clip(np.ceil(area.outline_yx.max(0)).astype(int) + 1, low + 1, size)
    spans: dict[str, int | slice] = {
        **dict(zip(image.labels_axes[:-2], area.plane, strict=True)),
        "Y": slice(int(low[0]), int(high[0])),
        "X": slice(int(low[1]), int(high[1])),
    }
    key = tuple(spans.get(axis, slice(None)) for axis in image.axes)
    pixels = replace(image, data=np.asarray(image.data[key]), axes="CYX")
    crop = labels[(*area.plane, spans["Y"], spans["X"])]
    return pixels, crop, [CheckedArea((), area.outline_yx - low)]


def known_around(labels: Labels, ids: set[int]) -> NDArray[np.bool_]:
    """Return where locked cells say what is there: on each, and on a ring around it.

    Parameters
    ----------
    labels : (y, x) int32
        All cells.
    ids : set of int
        The locked ones. Pixels of other cells are left out of the rings.
    """
    known = np.zeros(labels.shape, dtype=bool)
    own = np.array([0, *ids])
    for cell, (box, _) in cell_boxes(labels, ids).items():
        around = grown(box, RING_PX, labels.shape)
        near = ndimage.binary_dilation(labels[around] == cell, iterations=RING_PX)
        known[around] |= near & np.isin(labels[around], own)
    return known


@dataclass(frozen=True, slots=True)
class Comparison:
    """Old and new model on the same images.

    Attributes
    ----------
    n_cells : int
        True cells.
    ap50_old, ap50_new, msa_old, msa_new : float
        See `core.training.matching`; of all cells together, or the mean over images.
    count_error_old, count_error_new : float
        |found - true| / true, added up over the images first, or the mean over images.
    n_gained, n_lost : int
        True cells that only the new, or only the old model finds (IoU at least 0.5).
    sureness : float
        How sure it is that the new model is better, 0 to 1: the share of draws of images
        and cells in which it is. 1 where nobody has worked it out.
    """

    n_cells: int
    ap50_old: float
    ap50_new: float
    msa_old: float
    msa_new: float
    count_error_old: float
    count_error_new: float
    n_gained: int
    n_lost: int
    sureness: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a training came to.

    Attributes
    ----------
    folder : Path
        The new model's folder.
    held_out : Comparison
        On checked areas that were kept out of the training.
    base : Comparison
        On images of the base set, which never change; each weighs the same.
    is_recommended : bool
        True if the new model is better on the first and not worse on the second.
    reason : str
        Why, in a sentence.
    n_steps : int
        Steps that were done.
    seconds : float
        Wall time.
    was_stopped : bool
        True if the person stopped it early.
    share : float
        How much of the way from the old weights to the new ones it goes, above 0 to 1.
    """

    folder: Path
    held_out: Comparison
    base: Comparison
    is_recommended: bool
    reason: str
    n_steps: int
    seconds: float
    was_stopped: bool = False
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainProgress(Progress):
    """How far a training is.

    Attributes
    ----------
    points : tuple of CurvePoint
        What is new of the curve.
    """

    points: tuple[CurvePoint, ...] = ()


class Trainer(Protocol):
    """Makes a better model from what a person has corrected."""

    def train(
        self, items: Sequence[TrainingItem], options: FineTuneOptions, out: Path
    ) -> Job[TrainingOutcome]:
        """Train into the folder `out`; a run that was cut goes on where it was.

        The job yields `TrainProgress`. Raises `TrainingError`, `ModelError`, `SaveError`.
        """
        ...

    def go_on(self, out: Path) -> Job[TrainingOutcome]:
        """Go on with a training that lies in a folder, or follow one that runs there."""
        ...

    def stop(self) -> None:
        """End early with the best model so far; the job still returns its outcome."""
        ...

    def leave_alone(self) -> bool:
        """Let it go on when the job is closed; False where that is not possible yet."""
        ...
