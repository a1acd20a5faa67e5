"""The training loop: the same program on CPU and GPU, restarted from its checkpoint.

The learning rate rises, stays, and falls in a line to zero (Hägele et al. 2024,
arXiv:2405.18392); what is kept is the running mean of the weights.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.io.atomic import replacing
from napari_cellseg.nn.memory import keep_freed_memory
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training.augment import Crops, drawn_ahead
from napari_cellseg.nn.training.batches import CropSampler, TrainingImage
from napari_cellseg.nn.training.curve import CURVE_NAME, STEP, append_row, forget_after
from napari_cellseg.nn.training.losses import map_losses
from napari_cellseg.nn.training.team import ALONE, Team
from napari_cellseg.nn.weights import load_state, save_state

CHECKPOINT_NAME = "checkpoint.pt"
#: A row of the curve is written every so many steps.
CURVE_EVERY = 50
#: How often each kind is drawn. Fluorescence is most of what people have; the small sets
#: are drawn more often than their number of images would have it.
KIND_WEIGHTS = {
    "grey_fluorescence": 5.5,
    "purple_H&E": 1.2,
    "purple_on_white_H&E": 0.9,
    "grey_brightfield": 0.7,
    "usiigaci_phase": 2.2,
    "bbbc005": 0.4,
    "synthetic": 1.5,
    "rods": 0.8,
    "bodies": 0.7,
    "blank": 0.6,
    "tissue": 2.5,
}
MAX_GRADIENT = 2.0
#: Options that may be other ones when a training goes on.
FREE_OPTIONS = ("steps", "validate_every", "checkpoint_every")

Validator = Callable[[CellNet, int], dict[str, float]]


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training run came to.

    Attributes
    ----------
    steps : int
        Steps done in all, before and after restarts.
    seconds : float
        Wall time of the steps, those before restarts too.
    figures : dict
        What the last validation gave.
    """

    steps: int
    seconds: float
    figures: dict[str, float]


class _Run:
    """State of a run that a checkpoint holds: weights, their mean, optimiser, step."""

    def __init__(
        self,
        network: CellNet,
        options: TrainOptions,
        device: torch.device,
        team: Team = ALONE,
    ) -> None:
        self.options = options
        self.device = device
        self.team = team
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = copy.deepcopy(self.network).eval()
        self._shared = team.prepared(self.network)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(),
            options.learning_rate,
            weight_decay=options.weight_decay,
        )
        self.step = 0
        self.seconds = 0.0

    def save(self, folder: Path) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "options": _binding(self.options),
        }
        with replacing(folder / CHECKPOINT_NAME) as temporary:
            save_state(state, temporary)

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in `folder`, if there is one; the leader reads it.

        Raises
        ------
        TrainingError
            If it was begun with other options.
        """
        read = load_state(folder / CHECKPOINT_NAME) if self.team.is_leader else None
        state = self.team.from_leader(read)
        if not state:
            return
        begun, wanted = state.get("options", {}), _binding(self.options)
        if other := [name for name, value in begun.items() if wanted[name] != value]:
            was = ", ".join(f"{name} {begun[name]}" for name in other)
            now = ", ".join(f"{name} {wanted[name]}" for name in other)
            raise TrainingError(
                f"'{folder}' holds a training with {was}, not {now}. Give the same options "
                "to go on with it, or another --out."
            )
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.seconds = float(state.get("seconds", 0.0))

    def advance(self, crops: Crops) -> dict[str, float]:
        """Do one step and return the parts of the loss."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.options)
        pixels = crops.pixels.to(self.device)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            maps = self._shared(pixels)
        parts = map_losses(maps, crops.targets.to(self.device), self.team.total)
        loss = torch.stack(list(parts.values())).sum()
        values = {name: float(value.detach()) for name, value in parts.items()}
        if not bool(torch.isfinite(loss)):
            raise TrainingError(
                f"The loss is no number at step {self.step}: {values}. Look for broken "
                f"pixels or labels in {named(crops.names)}, or lower the learning rate."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        self.step += 1
        update_mean(self.mean, self.network, self.options.average, self.step)
        return values


def _binding(options: TrainOptions) -> dict[str, object]:
    """Return the options that a training keeps from its first step to its last."""
    values = asdict(options)
    return {name: value for name, value in values.items() if name not in FREE_OPTIONS}


@torch.no_grad()
def update_mean(mean: CellNet, network: CellNet, average: float, step: int) -> None:
    """Move the mean a little towards the weights; early on it follows closely."""
    decay = min(average, (1 + step) / (10 + step))
    current = network.state_dict()
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1 - decay)
        else:
            value.copy_(current[name])


def named(names: Sequence[str]) -> str:
    """Return the images of a batch in words, each once."""
    known = sorted({name for name in names if name})
    return ", ".join(f"'{name}'" for name in known) or "the images"


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
    *,
    team: Team = ALONE,
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
    team : Team
        The processes that share each step; the leader alone writes and validates.

    Raises
    ------
    TrainingError
        If there are no images, the loss is no number, or the folder holds a training with
        other options.
    """
    if not images:
        raise TrainingError("There are no images to train on; add images with labels.")
    keep_freed_memory()
    run = _begun(options, folder, device, team)
    sampler = CropSampler(images, KIND_WEIGHTS, options.crop_px, options.batch_size)
    own = team.share(options.batch_size)
    clock = time.perf_counter() - run.seconds
    figures: dict[str, float] = {}
    judge = validate if team.is_leader else None
    for crops in drawn_ahead(
        sampler, options.seed, range(run.step, options.steps), own
    ):
        parts = run.advance(crops)
        run.seconds = time.perf_counter() - clock
        if team.is_leader:
            _keep(run, folder, parts)
        if judge and run.step % options.validate_every == 0:
            figures = judge(run.mean, run.step)
        yield Progress(run.step, options.steps, f"loss {sum(parts.values()):.3f}")
    if judge and (run.step % options.validate_every or not figures):
        figures = judge(run.mean, run.step)
    report = TrainReport(run.step, run.seconds, figures)
    return run.mean, report


def _begun(
    options: TrainOptions, folder: Path, device: torch.device, team: Team
) -> _Run:
    """Return a run at its beginning, or where it was stopped."""
    if team.is_leader:
        folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    run = _Run(CellNet(), options, device, team)
    run.load(folder)
    if team.is_leader:
        forget_after(folder / CURVE_NAME, run.step)
    return run


def _keep(run: _Run, folder: Path, parts: dict[str, float]) -> None:
    """Write the curve and the checkpoint where it is time."""
    is_last = run.step == run.options.steps
    if is_last or run.step % CURVE_EVERY == 0:
        append_row(folder / CURVE_NAME, {STEP: run.step, **parts})
    if is_last or run.step % run.options.checkpoint_every == 0:
        run.save(folder)
