"""The state of a fine-tuning: steps, checkpoint, the best so far."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.options import FineTuneOptions
from napari_cellseg.io.atomic import replacing
from napari_cellseg.nn.losses import Targets, map_losses
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.weights import save_state

CHECKPOINT_NAME = "checkpoint.pt"
#: The encoder knows images in general; it learns so much slower than the rest.
ENCODER_SHARE = 0.3
WARM_UP_SHARE = 0.05
AVERAGE = 0.99
WEIGHT_DECAY = 0.02
MAX_GRADIENT = 2.0
FROM_SCRATCH = "from_scratch"


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
    """

    def __init__(
        self, network: CellNet, options: FineTuneOptions, device: torch.device
    ) -> None:
        self.n_steps, self._batch_size, self._rate = options.plan
        self._is_new = options.preset == FROM_SCRATCH
        self.device = device
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.mean = copy.deepcopy(self.network).eval()
        self._optimizer = torch.optim.AdamW(
            self._groups(), self._rate, weight_decay=WEIGHT_DECAY
        )
        self.step = 0
        self.best: dict[str, Tensor] = _copied(self.mean)
        self.best_score = -math.inf
        self.best_step = 0
        self._part = self._batch_size

    def _groups(self) -> list[dict[str, object]]:
        """Return the parameters with the share of the rate that each group learns at."""
        early: list[Tensor] = []
        late: list[Tensor] = []
        for name, parameter in self.network.named_parameters():
            is_early = name.startswith(("stem", "encoder"))
            (early if is_early else late).append(parameter)
        share = 1.0 if self._is_new else ENCODER_SHARE
        return [{"params": early, "share": share}, {"params": late, "share": 1.0}]

    def rate(self) -> float:
        """Return the learning rate of this step: a rise, then half a cosine."""
        rise = min(1.0, (self.step + 1) / max(1.0, WARM_UP_SHARE * self.n_steps))
        fall = 0.5 * (1 + math.cos(math.pi * self.step / self.n_steps))
        return self._rate * rise * fall

    def advance(self, pixels: Tensor, targets: Targets) -> float:
        """Do one step and return its loss; a batch too large for memory is parted.

        Raises
        ------
        TrainingError
            If the loss is no number, or not even one crop fits into memory.
        """
        while True:
            try:
                return self._advance(pixels, targets)
            except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                if self._part == 1:
                    raise TrainingError(
                        "There is not enough memory for a single crop. Close other "
                        "programs, or set smaller crops under Advanced."
                    ) from error
                self._part = max(1, self._part // 2)
                if self.device.type == "cuda":
                    torch.cuda.empty_cache()

    def _advance(self, pixels: Tensor, targets: Targets) -> float:
        self.network.train()
        if not self._is_new:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate() * group["share"]
        self._optimizer.zero_grad(set_to_none=True)
        total = 0.0
        n_crops = len(pixels)
        for start in range(0, n_crops, self._part):
            part = slice(start, start + self._part)
            total += self._learn(pixels[part], targets.part(part), n_crops)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self._optimizer.step()
        self.step += 1
        self._update_mean()
        return total

    def _learn(self, pixels: Tensor, targets: Targets, n_crops: int) -> float:
        """Add the gradient of some crops and return their share of the loss."""
        moved = pixels.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            maps = self.network(moved)
        parts = map_losses(maps, targets.to(self.device))
        loss = torch.stack(list(parts.values())).sum() * (len(pixels) / n_crops)
        if not bool(torch.isfinite(loss)):
            values = {name: float(value.detach()) for name, value in parts.items()}
            raise TrainingError(
                f"The loss is no number at step {self.step + 1}: {values}. Look for "
                "broken pixels (NaN, infinite) in the images, or lower the learning rate."
            )
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    @torch.no_grad()
    def _update_mean(self) -> None:
        decay = min(AVERAGE, (1 + self.step) / (10 + self.step))
        current = self.network.state_dict()
        for name, value in self.mean.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - decay)
            else:
                value.copy_(current[name])

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
            "best_score": self.best_score,
            "best_step": self.best_step,
        }
        with replacing(folder / CHECKPOINT_NAME) as temporary:
            save_state(state, temporary)

    def load(self, folder: Path) -> None:
        """Go on from the checkpoint in `folder`, if there is one."""
        path = folder / CHECKPOINT_NAME
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.network.load_state_dict(state["network"])
        except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f"'{path}' is damaged ({error}). Delete it to train from the beginning."
            ) from error
        self.mean.load_state_dict(state["mean"])
        self.best = state["best"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])
        self.best_score = float(state["best_score"])
        self.best_step = int(state["best_step"])


def _copied(network: CellNet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _is_out_of_memory(error: BaseException) -> bool:
    """Say whether memory ran out; on the CPU torch says so in words only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "not enough memory" in text or "out of memory" in text
