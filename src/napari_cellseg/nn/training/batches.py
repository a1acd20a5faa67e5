"""Crops for training: whole images kept in memory, warped and cut on the fly.

Images are normalised whole, before cropping, exactly as `nn.inference.predict` does; a crop by
itself would be scaled by what happens to lie in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_cellseg.core.segmentation.intensity import normalize
from napari_cellseg.core.training.targets import make_targets
from napari_cellseg.nn.training.losses import Targets

#: Crops show cells of about these diameters, in pixels; log-uniform between.
DIAMETER_RANGE = (11.0, 64.0)
ZOOM_RANGE = (0.35, 2.5)
#: Share of the crops that show cells at about the size they have in their image.
OWN_SIZE_SHARE = 0.7
#: Crops that tell how much of all of them is known.
N_LOOKED_AT = 32
#: Cells within this many pixels of another one touch it, for the border map.
BORDER_REACH = 2


@dataclass(frozen=True, slots=True, eq=False)
class TrainingImage:
    """A normalised image with its targets, at its own scale.

    Attributes
    ----------
    pixels : (3, y, x) float16 tensor
        0 to 1.25.
    truth : (4, y, x) int16 or int32 tensor
        Labels, and as in `core.training.targets` distance, flow y, flow x: a training holds
        thousands of images, and whole numbers take half the memory.
    diameter_px : float
        Median equivalent diameter of its cells; 0 where there is none.
    kind : str
        Type of image; sampling is balanced over kinds.
    is_rgb : bool
        Whether colours may be mixed.
    valid : (y, x) bool tensor or None
        Where the truth is known; None means everywhere.
    name : str
        What the image is called where something is wrong with it.
    shown_px : float
        Diameter at which its cells are shown when it is segmented; 0: as they are.
    weight : float
        How much a known pixel counts in the loss.
    """

    pixels: Tensor
    truth: Tensor
    diameter_px: float
    kind: str
    is_rgb: bool
    valid: Tensor | None = None
    name: str = ""
    shown_px: float = 0.0
    weight: float = 1.0


def training_image(
    plane: NDArray[np.generic],
    labels: NDArray[np.int32],
    kind: str,
    percentiles: tuple[float, float],
    name: str = "",
) -> TrainingImage:
    """Normalise a (1 or 3, y, x) plane and work out the targets of its labels."""
    pixels = normalize(plane, *percentiles)
    targets = make_targets(labels)
    fits_short = int(labels.max(initial=0)) <= np.iinfo(np.int16).max
    truth = np.empty((4, *labels.shape), np.int16 if fits_short else np.int32)
    truth[0], truth[1], truth[2:] = labels, targets.distance, targets.flow
    areas = np.bincount(labels.ravel())[1:]
    areas = areas[areas > 0]
    diameter = 2 * math.sqrt(float(np.median(areas)) / math.pi) if areas.size else 0.0
    is_rgb = plane.shape[0] == 3
    stored = pixels if is_rgb else pixels[:1]
    return TrainingImage(
        torch.from_numpy(np.ascontiguousarray(stored, dtype=np.float16)),
        torch.from_numpy(truth),
        diameter,
        kind,
        is_rgb,
        name=name,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops with their truth.

    Attributes
    ----------
    pixels : (n, 3, h, w) float32
    labels : (n, h, w) float32
        Ids of the warped labels, for augmentations that work cell by cell.
    is_rgb : (n,) bool
    targets : Targets
    names : tuple of str
        The images that all crops of the step are from, those of other processes too.
    rgb_before : tuple of bool
        `is_rgb` of the crops of the same step before these, which other processes take.
    """

    pixels: Tensor
    labels: Tensor
    is_rgb: Tensor
    targets: Targets
    names: tuple[str, ...] = ()
    rgb_before: tuple[bool, ...] = ()


class CropSampler:
    """Draws batches: first the kind, by weight; then an image of it; then a window.

    Parameters
    ----------
    images : sequence of TrainingImage
        What to draw from.
    kind_weights : mapping of str to float
        How often each kind is drawn; kinds that are not named weigh 1.
    crop_px, batch_size : int
        Size of the crops and their number.
    """

    def __init__(
        self,
        images: Sequence[TrainingImage],
        kind_weights: dict[str, float],
        crop_px: int,
        batch_size: int,
    ) -> None:
        self._by_kind: dict[str, list[TrainingImage]] = {}
        for image in images:
            self._by_kind.setdefault(image.kind, []).append(image)
        self._kinds = sorted(self._by_kind)
        weights = np.array([kind_weights.get(kind, 1.0) for kind in self._kinds])
        self._odds = weights / weights.sum()
        self._crop_px = crop_px
        self._batch_size = batch_size

    def batch(self, rng: np.random.Generator, own: slice = slice(None)) -> Batch:
        """Return the next batch; the same state of `rng` gives the same batch.

        Parameters
        ----------
        rng : Generator
            Decides on everything.
        own : slice
            Which crops are cut; where the others lie is drawn all the same.
        """
        drawn = [self._draw(rng) for _ in range(self._batch_size)]
        kept = drawn[own]
        crops = [_sample(image, warp, self._crop_px) for image, warp in kept]
        pixels = torch.stack([pixels.expand(3, -1, -1) for pixels, _ in crops])
        truth = torch.stack([truth for _, truth in crops])
        return Batch(
            pixels,
            truth[:, 0],
            torch.tensor([image.is_rgb for image, _ in kept]),
            _targets_of(truth),
            tuple(image.name for image, _ in drawn),
            tuple(image.is_rgb for image, _ in drawn[: own.start or 0]),
        )

    def _draw(self, rng: np.random.Generator) -> tuple[TrainingImage, _Warp]:
        """Return an image and where in it a crop lies."""
        kind = self._kinds[int(rng.choice(len(self._kinds), p=self._odds))]
        images = self._by_kind[kind]
        image = images[int(rng.integers(len(images)))]
        return image, _random_warp(image, self._crop_px, rng)


def known_share(images: Sequence[TrainingImage], crop_px: int) -> float:
    """Return about how much of the crops of some images is known, 0 to 1."""
    sampler = CropSampler(images, {}, crop_px, N_LOOKED_AT)
    valid = sampler.batch(np.random.default_rng(0)).targets.valid
    return float((valid > 0).float().mean())


@dataclass(frozen=True, slots=True)
class _Warp:
    """Where a crop comes from: source = centre + matrix @ (crop offset)."""

    centre_yx: tuple[float, float]
    matrix: NDArray[np.float64]  # (2, 2), source pixels a crop pixel, (y, x)
    zoom: float


def _random_warp(image: TrainingImage, crop_px: int, rng: np.random.Generator) -> _Warp:
    """Draw zoom, turn, flip, stretch and place."""
    zoom = _random_zoom(image, rng)
    turn = (
        rng.uniform(0, 2 * math.pi)
        if rng.random() < 0.4
        else rng.integers(4) * math.pi / 2
    )
    cos, sin = math.cos(turn), math.sin(turn)
    rotation = np.array([[cos, -sin], [sin, cos]])
    flip = np.diag([1.0, rng.choice([-1.0, 1.0])])
    stretch = (
        np.diag([rng.uniform(0.88, 1.14), 1.0]) if rng.random() < 0.3 else np.eye(2)
    )
    matrix = rotation @ flip @ stretch / zoom
    height, width = image.truth.shape[-2:]
    # The window keeps inside where it fits; a smaller image is centred and mirrored.
    reach = np.abs(matrix).sum(1) * (crop_px - 1) / 2
    centre = [
        rng.uniform(r, n - 1 - r)
        if n - 1 > 2 * r
        else (n - 1) / 2 + rng.uniform(-0.1, 0.1) * n
        for n, r in ((height, reach[0]), (width, reach[1]))
    ]
    return _Warp((float(centre[0]), float(centre[1])), matrix, zoom)


def _random_zoom(image: TrainingImage, rng: np.random.Generator) -> float:
    """Draw a zoom that shows cells at a diameter within `DIAMETER_RANGE`."""
    diameter_px = image.diameter_px
    if diameter_px <= 0:
        return float(rng.uniform(0.5, 1.5))
    if rng.random() < OWN_SIZE_SHARE:
        usual = image.shown_px or diameter_px
        wanted = usual * math.exp(rng.uniform(-0.35, 0.35))
        wanted = min(max(wanted, DIAMETER_RANGE[0]), DIAMETER_RANGE[1])
    else:
        wanted = math.exp(rng.uniform(*np.log(DIAMETER_RANGE)))
    return float(np.clip(wanted / diameter_px, *ZOOM_RANGE))


def _sample(image: TrainingImage, warp: _Warp, crop_px: int) -> tuple[Tensor, Tensor]:
    """Return the warped pixels (1 or 3, h, w) and truth (5, h, w), the last one weights."""
    height, width = image.truth.shape[-2:]
    steps = torch.arange(crop_px, dtype=torch.float32) - (crop_px - 1) / 2
    offset_y, offset_x = steps[:, None], steps[None, :]
    m = warp.matrix
    y = warp.centre_yx[0] + float(m[0, 0]) * offset_y + float(m[0, 1]) * offset_x
    x = warp.centre_yx[1] + float(m[1, 0]) * offset_y + float(m[1, 1]) * offset_x
    inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
    window = (
        slice(max(int(y.min()) - 8, 0), max(min(int(y.max()) + 10, height), 1)),
        slice(max(int(x.min()) - 8, 0), max(min(int(x.max()) + 10, width), 1)),
    )
    pixels = image.pixels[:, window[0], window[1]].float()
    truth = image.truth[:, window[0], window[1]].float()
    truth[1] /= 255
    truth[2:] /= 127
    n_y, n_x = truth.shape[-2:]
    grid = torch.stack(
        [
            (x - window[1].start) / max(n_x - 1, 1) * 2 - 1,
            (y - window[0].start) / max(n_y - 1, 1) * 2 - 1,
        ],
        -1,
    )[None]
    warped = _grid_sample(_antialiased(pixels, warp.zoom), grid, "bilinear")
    labels = _grid_sample(truth[:1], grid, "nearest")
    smooth = _grid_sample(truth[1:], grid, "bilinear")
    # Vectors turn with the image: crop = inverse(matrix) @ source, then unit length.
    inverse = torch.from_numpy(np.linalg.inv(warp.matrix)).float()
    flow = torch.einsum("ij,jhw->ihw", inverse, smooth[1:])
    flow = flow / flow.norm(dim=0, keepdim=True).clamp(min=1e-6)
    flow = flow * (labels > 0)
    distance = smooth[:1] * (labels > 0)
    if image.valid is not None:
        known = image.valid[None, window[0], window[1]].float()
        inside = inside & (_grid_sample(known, grid, "nearest")[0] > 0.5)
    counted = image.weight * inside[None].float()
    return warped, torch.cat([labels, distance, flow, counted])


def _grid_sample(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Sample (c, y, x) values, mirrored past the edge."""
    return functional.grid_sample(
        values[None], grid, mode=mode, padding_mode="reflection", align_corners=True
    )[0]


def _antialiased(pixels: Tensor, zoom: float) -> Tensor:
    """Smooth before shrinking, as a resize of the whole image does."""
    if zoom > 0.7:
        return pixels
    size = 3 if zoom > 0.45 else 5
    padded = functional.pad(pixels[None], [size // 2] * 4, mode="replicate")
    return functional.avg_pool2d(padded, size, 1)[0]


def _targets_of(truth: Tensor) -> Targets:
    """Return the targets of (n, 5, h, w) truth; the border comes from the warped labels."""
    labels = truth[:, 0]
    return Targets(
        foreground=(labels > 0).float(),
        distance=truth[:, 1],
        border=touching_border(labels),
        flow=truth[:, 2:4],
        valid=truth[:, 4],
    )


def touching_border(labels: Tensor) -> Tensor:
    """Return 1 where a cell's pixel has another cell within `BORDER_REACH` pixels.

    Parameters
    ----------
    labels : (n, h, w) float32
        Ids; 0 is background.
    """
    size = 2 * BORDER_REACH + 1
    batch = labels[:, None]
    highest = functional.max_pool2d(batch, size, 1, BORDER_REACH)
    # Background must not win the minimum: it is lifted above every id.
    lifted = torch.where(batch > 0, batch, torch.full_like(batch, 1e9))
    lowest = -functional.max_pool2d(-lifted, size, 1, BORDER_REACH)
    is_touching = (batch > 0) & (highest != lowest)
    return is_touching[:, 0].float()
