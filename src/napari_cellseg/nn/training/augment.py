"""Changes of intensity that a microscope, a stain or a camera could have made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from napari_cellseg.nn.training.batches import Batch, CropSampler
from napari_cellseg.nn.training.losses import Targets

#: The changes of crops that other processes take are drawn on a scrap of this edge: what
#: is drawn does not depend on what the crop shows.
SCRAP_PX = 8
#: Share of the crops whose intensities stay as they are, as those of images that are segmented
#: do. What an unknown kind of image looks like is learned faster from these.
PLAIN_SHARE = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """What a network is shown in a step.

    Attributes
    ----------
    pixels : (n, 3, h, w) float32
        Changed at random.
    targets : Targets
        What it should say of them.
    names : tuple of str
        The images that all crops of the step are from, those of other processes too.
    """

    pixels: Tensor
    targets: Targets
    names: tuple[str, ...]

    def part(self, which: slice) -> Crops:
        """Return some of them."""
        return Crops(self.pixels[which], self.targets.part(which), self.names)


def draw_crops(
    sampler: CropSampler, seed: int, step: int, own: slice = slice(None)
) -> Crops:
    """Return the crops of a step; each step has a random state of its own.

    Parameters
    ----------
    sampler : CropSampler
        Where they come from.
    seed, step : int
        Decide on everything.
    own : slice
        Which of them this process takes, see `nn.training.team`; they are the same crops in a team
        of any size.
    """
    rng = np.random.default_rng((seed, step))
    batch = sampler.batch(rng, own)
    return Crops(augment(batch, rng), batch.targets, batch.names)


def drawn_ahead(
    sampler: CropSampler, seed: int, steps: range, own: slice
) -> Iterator[Crops]:
    """Yield the crops of each step; those of the next are drawn while one is learned."""
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(draw_crops, sampler, seed, steps.start, own)
        for step in steps:
            crops = waiting.result()
            waiting = executor.submit(draw_crops, sampler, seed, step + 1, own)
            yield crops


def augment(batch: Batch, rng: np.random.Generator) -> Tensor:
    """Return (n, 3, h, w) pixels, each crop changed, or not, on its own draw of chances."""
    scrap = torch.zeros(3, SCRAP_PX, SCRAP_PX)
    for is_rgb in batch.rgb_before:
        _plain_or_changed(scrap, scrap[0], rng, is_rgb=is_rgb)
    changed = [
        _plain_or_changed(pixels, labels, rng, is_rgb=bool(is_rgb))
        for pixels, labels, is_rgb in zip(
            batch.pixels, batch.labels, batch.is_rgb, strict=True
        )
    ]
    return torch.stack(changed)


def _plain_or_changed(
    pixels: Tensor, labels: Tensor, rng: np.random.Generator, *, is_rgb: bool
) -> Tensor:
    """Return one (3, h, w) crop as it is, or changed."""
    if rng.random() < PLAIN_SHARE:
        return pixels
    return _changed(pixels, labels, rng, is_rgb=is_rgb)


def _changed(
    pixels: Tensor, labels: Tensor, rng: np.random.Generator, *, is_rgb: bool
) -> Tensor:
    """Return one (3, h, w) crop changed; grey crops keep three equal channels."""
    pixels = pixels.clone() if is_rgb else pixels[:1].clone()
    if is_rgb:
        pixels = _change_colour(pixels, rng)
    if rng.random() < 0.15:
        pixels = _vary_cells(pixels, labels, rng)
    if rng.random() < 0.2:
        pixels = pixels * _uneven_light(pixels.shape[-2:], rng)
    if rng.random() < 0.5:
        pixels = pixels.clamp(min=0) ** math.exp(rng.uniform(-0.7, 0.7))
    if rng.random() < 0.25:
        pixels = _blur(pixels, rng.uniform(0.3, 2.2))
    elif rng.random() < 0.12:
        pixels = _lose_detail(pixels, int(rng.integers(2, 4)))
    if rng.random() < 0.35:
        pixels = _add_noise(pixels, rng)
    # Nobody turns stained tissue into its negative, where gaps look like nuclei.
    if rng.random() < 0.14 and not is_rgb:
        pixels = 1 - pixels
    if rng.random() < 0.5:
        pixels = pixels * math.exp(rng.uniform(-0.25, 0.25)) + rng.uniform(-0.1, 0.1)
    return pixels.expand(3, -1, -1) if pixels.shape[0] == 1 else pixels


def _change_colour(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Mix the channels a little, permute them, or turn the crop grey."""
    chance = rng.random()
    if chance < 0.12:
        weights = torch.from_numpy(rng.dirichlet((2, 2, 2))).float()
        return (
            torch.einsum("c,chw->hw", weights, pixels)[None]
            .expand(3, -1, -1)
            .contiguous()
        )
    if chance < 0.16:
        pixels = pixels[torch.from_numpy(rng.permutation(3))]
    mix = np.eye(3) + rng.normal(0, 0.08, (3, 3))
    gains = np.exp(rng.normal(0, 0.12, (3, 1)))
    return torch.einsum("ij,jhw->ihw", torch.from_numpy(mix * gains).float(), pixels)


def _vary_cells(pixels: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """Give each cell a brightness of its own (cell-aware augmentation, Lee et al. 2022)."""
    gains = torch.from_numpy(np.exp(rng.normal(0, 0.35, 256))).float()
    gains[0] = 1.0
    index = torch.where(
        labels > 0, labels.long() % 255 + 1, torch.zeros_like(labels, dtype=torch.long)
    )
    return pixels * gains[index]


def _uneven_light(shape: tuple[int, ...], rng: np.random.Generator) -> Tensor:
    """Return a smooth gain field around 1."""
    coarse = torch.from_numpy(np.exp(rng.normal(0, 0.35, (1, 1, 3, 3)))).float()
    return functional.interpolate(
        coarse, size=shape, mode="bicubic", align_corners=True
    )[0].clamp(0.2, 3)


def _blur(pixels: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (c, h, w)."""
    radius = max(1, round(3 * sigma))
    steps = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    planes = functional.pad(pixels[:, None], [radius] * 4, mode="replicate")
    planes = functional.conv2d(planes, kernel.view(1, 1, -1, 1))
    return functional.conv2d(planes, kernel.view(1, 1, 1, -1))[:, 0]


def _lose_detail(pixels: Tensor, factor: int) -> Tensor:
    """Shrink and enlarge again."""
    small = functional.avg_pool2d(pixels[None], factor)
    return functional.interpolate(small, size=pixels.shape[-2:], mode="bilinear")[0]


def _add_noise(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Add read noise and noise that grows with the signal."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    read = math.exp(rng.uniform(math.log(0.005), math.log(0.12)))
    shot = rng.uniform(0, 0.15)
    spread = torch.sqrt(read**2 + shot**2 * pixels.clamp(min=0))
    return pixels + spread * torch.randn(pixels.shape, generator=generator)
