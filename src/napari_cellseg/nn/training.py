"""The training loop: the same program on CPU and GPU, restarted from its checkpoint.

The learning rate rises, stays, and falls in a line to zero (Hägele et al. 2024,
arXiv:2405.18392); what is kept is the running mean of the weights.
"""

from __future__ import annotations

import copy
import csv
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.options import TrainOptions
from napari_cellseg.io.atomic import replacing
from napari_cellseg.nn.augment import augment
from napari_cellseg.nn.batches import CropSampler, TrainingImage
from napari_cellseg.nn.losses import Targets, map_losses
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import save_state

CHECKPOINT_NAME = "checkpoint.pt"
CURVE_NAME = "curve.csv"
#: How often each kind is drawn. Fluorescence is most of what people have; the small sets
#: are drawn more often than their number of images would have it.
KIND_WEIGHTS = {
    "grey_fluorescence": 4.5,
    "purple_H&E": 1.2,
    "purple_on_white_H&E": 0.9,
    "grey_brightfield": 0.7,
    "usiigaci_phase": 1.8,
    "bbbc005": 0.4,
    "synthetic": 1.6,
}
MAX_GRADIENT = 2.0

Validator = Callable[[CellNet, int], dict[str, float]]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run came to.

    Attributes
    ----------
    steps : int
        Steps done in all, before and after restarts.
    seconds : float
        Wall time of this process.
    device : str
        Where it ran.
    figures : dict
        What the last validation gave.
    """

    steps: int
    seconds: float
    device: str
    figures: dict[str, float]


class _Run:
    """State of a run that a checkpoint holds: weights, their mean, optimiser, step."""

    def __init__(
        self, network: CellNet, options: TrainOptions, device: torch.device
    ) -> None:
        self.options = options
        self.device = device
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = copy.deepcopy(self.network).eval()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            options.learning_rate,
            weight_decay=options.weight_decay,
        )
        self.step = 0

    def save(self, folder: Path) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        with replacing(folder / CHECKPOINT_NAME) as temporary:
            save_state(state, temporary)

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in `folder`, if there is one."""
        path = folder / CHECKPOINT_NAME
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])

    def advance(self, pixels: Tensor, targets: Targets) -> dict[str, float]:
        """Do one step and return the parts of the loss."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.options)
        pixels = pixels.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            maps = self.network(pixels)
        parts = map_losses(maps, targets.to(self.device))
        loss = torch.stack(list(parts.values())).sum()
        values = {name: float(value.detach()) for name, value in parts.items()}
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"The loss is no number at step {self.step}: {values}. "
                "Lower the learning rate, or look for broken labels."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        self.step += 1
        self._update_mean()
        return values

    @torch.no_grad()
    def _update_mean(self) -> None:
        """Move the mean a little towards the weights; early on it follows closely."""
        decay = min(self.options.average, (1 + self.step) / (10 + self.step))
        current = self.network.state_dict()
        for name, value in self.mean.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])


def learning_rate(step: int, options: TrainOptions) -> float:
    """Return the learning rate of a step, counted from 0."""
    rise = min(1.0, (step + 1) / max(1, options.warmup_steps))
    n_falling = max(1, round(options.decay_share * options.steps))
    fall = min(1.0, (options.steps - step) / n_falling)
    return options.learning_rate * min(rise, fall)


def fit(
    images: Sequence[TrainingImage],
    options: TrainOptions,
    folder: Path,
    device: torch.device,
    validate: Validator | None = None,
) -> Job[tuple[CellNet, TrainReport]]:
    """Train a `CellNet` and return it, its weights the running mean, with a report.

    Parameters
    ----------
    images : sequence of TrainingImage
        What to learn from.
    options : TrainOptions
        Steps, rates, seed.
    folder : Path
        Checkpoint and curve; a run that stopped goes on from here.
    device : torch.device
        Where to run.
    validate : callable, optional
        Gets the network (running mean) and the step, returns figures by name.

    Raises
    ------
    TrainingError
        If there are no images, or the loss is no number.
    """
    if not images:
        raise TrainingError("There are no images to train on; add images with labels.")
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    run = _Run(CellNet(), options, device)
    run.load(folder)
    sampler = CropSampler(images, KIND_WEIGHTS, options.crop_px, options.batch_size)
    started = time.perf_counter()
    figures: dict[str, float] = {}
    with ThreadPoolExecutor(1) as executor:
        waiting: Future[tuple[Tensor, Targets]] = executor.submit(
            _draw, sampler, options, run.step
        )
        while run.step < options.steps:
            pixels, targets = waiting.result()
            waiting = executor.submit(_draw, sampler, options, run.step + 1)
            parts = run.advance(pixels, targets)
            if run.step % options.validate_every == 0 or run.step == options.steps:
                figures = validate(run.mean, run.step) if validate else {}
            if run.step % 50 == 0 or figures:
                _append_curve(folder, run.step, parts, figures)
            if run.step % options.checkpoint_every == 0 or run.step == options.steps:
                run.save(folder)
            yield Progress(run.step, options.steps, f"loss {sum(parts.values()):.3f}")
            if run.step < options.steps:
                figures = {}
    seconds = time.perf_counter() - started
    return run.mean, TrainReport(run.step, seconds, str(device), figures)


def _draw(
    sampler: CropSampler, options: TrainOptions, step: int
) -> tuple[Tensor, Targets]:
    """Return the pixels and targets of a step; each step has a random state of its own."""
    rng = np.random.default_rng((options.seed, step))
    batch = sampler.batch(rng)
    return augment(batch, rng), batch.targets


def _append_curve(
    folder: Path, step: int, parts: dict[str, float], figures: dict[str, float]
) -> None:
    """Add a row to the curve: step, each part of the loss, figures as name=value."""
    path = folder / CURVE_NAME
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["step", *parts, "figures"])
        text = " ".join(f"{name}={value:.4f}" for name, value in figures.items())
        writer.writerow([step, *(f"{value:.5f}" for value in parts.values()), text])


def with_steps(options: TrainOptions, steps: int) -> TrainOptions:
    """Return the options with another number of steps."""
    return replace(options, steps=steps)
