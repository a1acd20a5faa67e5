"""The state of a fine-tuning: steps, checkpoint, the best so far."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.io.atomic import replacing
from napari_cellseg.nn.fine_tuning.data import REPLAYED
from napari_cellseg.nn.fine_tuning.pace import Length, is_settled_late, planned
from napari_cellseg.nn.memory import keep_freed_memory
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training.augment import Crops
from napari_cellseg.nn.training.loop import (
    CHECKPOINT_NAME,
    MAX_GRADIENT,
    named,
    update_mean,
)
from napari_cellseg.nn.training.losses import map_losses
from napari_cellseg.nn.training.team import ALONE, Team
from napari_cellseg.nn.weights import load_state, save_state

logger = logging.getLogger(__name__)

WARM_UP_SHARE = 0.05
AVERAGE = 0.99
WEIGHT_DECAY = 0.02
FROM_SCRATCH = "from_scratch"


def is_new(options: FineTuneOptions) -> bool:
    """Say whether the network starts from nothing."""
    return options.preset == FROM_SCRATCH


class FineTuneRun:
    """Weights, their running mean, the optimiser, and the best mean so far.

    Batch norm keeps what it learned from the base set: a batch of corrections is too
    small, and too much of one kind, to measure means from.

    Parameters
    ----------
    network : CellNet
        Where to start; changed in place.
    options : FineTuneOptions
        How.
    device : torch.device
        Where to run.
    team : Team
        The processes that share each step.
    n_steps : int, optional
        In all; as the options say if it is not given.
    """

    def __init__(
        self,
        network: CellNet,
        options: FineTuneOptions,
        device: torch.device,
        team: Team = ALONE,
        n_steps: int | None = None,
    ) -> None:
        usual, self._batch_size, self._rate = options.plan
        self.length = planned(n_steps or usual)
        self.is_settled = options.seconds_limit is None
        self._is_new = is_new(options)
        self._encoder_share = options.encoder_share
        self.device = device
        self.team = team
        keep_freed_memory()
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = copy.deepcopy(self.network).eval()
        self._shared = team.prepared(self.network)
        self._optimizer = torch.optim.AdamW(
            self._groups(), self._rate, weight_decay=WEIGHT_DECAY
        )
        self.step = 0
        self.seconds = self.saved_at = 0.0
        self.best: dict[str, Tensor] = _copied(self.mean)
        self.best_score = -math.inf
        self.best_step = 0
        #: What the old model has; the best so far may be a little worse, see `Judge.bar`.
        self.old_score = -math.inf
        self._part = self._batch_size

    @property
    def n_steps(self) -> int:
        """Steps in all, as far as that is known."""
        return self.length.n_steps

    @property
    def is_exam_due(self) -> bool:
        """Say whether held-out cells are to be examined after this step."""
        return self.step % self.length.every == 0 or self.step >= self.n_steps

    @property
    def is_over(self) -> bool:
        """Say whether all steps are done, or examinations have long brought nothing."""
        if self._is_new or not math.isfinite(self.best_score):
            return self.step >= self.n_steps
        better_step = self.best_step if self.best_score > self.old_score else 0
        return self.step >= self.n_steps or is_settled_late(
            self.step, better_step, self.length
        )

    @property
    def is_unchanged(self) -> bool:
        """Say whether the best so far is the old network."""
        return self.best_step == 0 and not self._is_new

    def _groups(self) -> list[dict[str, object]]:
        """Return the parameters with the share of the rate that each group learns at."""
        early: list[Tensor] = []
        late: list[Tensor] = []
        for name, parameter in self.network.named_parameters():
            is_early = name.startswith(("stem", "encoder"))
            (early if is_early else late).append(parameter)
        share = 1.0 if self._is_new else self._encoder_share
        return [{"params": early, "share": share}, {"params": late, "share": 1.0}]

    def rate(self) -> float:
        """Return the learning rate of this step: a rise, then half a cosine."""
        rise = min(1.0, (self.step + 1) / max(1.0, WARM_UP_SHARE * self.n_steps))
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self.n_steps))
        return self._rate * rise * fall

    def advance(self, crops: Crops) -> float:
        """Do one step and return its loss; a batch too large for memory is parted.

        Raises
        ------
        TrainingError
            If the loss is no number, or not even one crop fits into memory.
        """
        while True:
            try:
                return self._advance(crops)
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._take_less(error)

    def _take_less(self, error: BaseException) -> None:
        """Halve the crops that are in memory at a time."""
        if self.team.size > 1:
            # The others are in the middle of the step and cannot begin it again.
            raise TrainingError(
                f"A process ran out of memory with {self._part} crops a step in all. Set "
                "a smaller batch size; it goes on from the last checkpoint."
            ) from error
        if self._part == 1:
            raise TrainingError(
                "There is not enough memory for a single crop. Close other programs, or "
                "set smaller crops under Advanced."
            ) from error
        self._part = max(1, self._part // 2)
        logger.warning("Out of memory; going on with %s crops at a time.", self._part)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def _advance(self, crops: Crops) -> float:
        self.network.train()
        if not self._is_new:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate() * group["share"]
        self._optimizer.zero_grad(set_to_none=True)
        total = 0.0
        places = range(0, len(crops.pixels), self._part)
        parts = [crops.part(slice(start, start + self._part)) for start in places]
        # The loss is a mean over known pixels, of which each part has its own number.
        known = [float(part.targets.valid.sum()) for part in parts]
        for part, n_known in zip(parts, known, strict=True):
            share = n_known / max(sum(known), 1.0) if len(parts) > 1 else 1.0
            total += self._learn(part, share)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self._optimizer.step()
        self.step += 1
        update_mean(self.mean, self.network, AVERAGE, self.step)
        return total

    def _learn(self, crops: Crops, share: float) -> float:
        """Add the gradient of some crops and return their share of the loss."""
        pixels = crops.pixels.to(self.device)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            maps = self._shared(pixels)
        parts = map_losses(maps, crops.targets.to(self.device), self.team.total)
        loss = torch.stack(list(parts.values())).sum() * share
        if not bool(torch.isfinite(loss)):
            values = {name: float(value.detach()) for name, value in parts.items()}
            logger.error("The loss of step %s is no number: %s", self.step + 1, values)
            raise TrainingError(
                f"At step {self.step + 1} the model lost its way: its error is no number "
                f"any more. Lower the learning rate ({self._rate:g} now); if it is as the "
                "preset says, look for broken pixels (NaN, infinite) in "
                f"{named(_yours(crops.names))}."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def note_score(self, score: float) -> None:
        """Keep the running mean of this step if it is the best so far."""
        if score > self.best_score:
            self.best_score, self.best_step = score, self.step
            self.best = _copied(self.mean)

    def note_latest(self) -> None:
        """Keep the running mean of this step: nothing is held out that could judge."""
        self.best_step = self.step
        self.best = _copied(self.mean)

    def best_network(self) -> CellNet:
        """Return the best network so far, on the CPU."""
        network: CellNet = copy.deepcopy(self.mean)
        network.load_state_dict(self.best)
        network.to("cpu").eval()
        return network

    def save(self, folder: Path) -> None:
        """Write the checkpoint; the old one stays until the new one is whole.

        Raises
        ------
        SaveError
            If it cannot be written, as on a full disk.
        """
        state = {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "best": self.best,
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "best_score": self.best_score,
            "best_step": self.best_step,
            "length": (self.length.n_steps, self.length.every),
            "is_settled": self.is_settled,
        }
        with replacing(folder / CHECKPOINT_NAME) as temporary:
            save_state(state, temporary)
        self.saved_at = self.seconds

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in `folder`, if there is one; the leader reads it.

        Raises
        ------
        TrainingError
            If it is damaged.
        """
        read = load_state(folder / CHECKPOINT_NAME) if self.team.is_leader else None
        state = self.team.from_leader(read)
        if not state:
            return
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.best = state["best"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.seconds = self.saved_at = float(state.get("seconds", 0.0))
        self.best_score = float(state["best_score"])
        self.best_step = int(state["best_step"])
        if "length" in state:
            self.length = Length(*(int(value) for value in state["length"]))
            self.is_settled = bool(state["is_settled"])


def _copied(network: CellNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _yours(names: Sequence[str]) -> list[str]:
    """Return the images of a step that the person gave, not those that are replayed."""
    return [name for name in names if not name.startswith(REPLAYED)]


def _is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; on the CPU torch says so in words only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    words = ("not enough memory", "out of memory", "allocate memory")
    return any(each in text for each in words)
