"""Processes that train one network together: ``torchrun --nproc-per-node N -m ...``.

Each process takes its share of the crops of a step. Sums over crops (of the loss, of batch
norm) go over all processes, so a step is the one that a single process would have done with
all crops: the same global batch gives the same result, up to rounding. Gradients are joined
by torch's `DistributedDataParallel`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.nn.device import choose_device

T = TypeVar("T")

#: The leader validates and compares alone, which may take long; the others wait.
WAIT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of one training.

    Attributes
    ----------
    rank : int
        Which one this is, counted from 0.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_leader(self) -> bool:
        """True for the one process that writes files and tells of progress."""
        return self.rank == 0

    def share(self, n_crops: int) -> slice:
        """Return which of the crops of a step are this process's.

        Raises
        ------
        TrainingError
            If there are fewer crops than processes.
        """
        if n_crops < self.size:
            raise TrainingError(
                f"{self.size} processes cannot share {n_crops} crops a step; set a "
                f"batch size of {self.size} or more, or start fewer processes."
            )
        return slice(
            self.rank * n_crops // self.size, (self.rank + 1) * n_crops // self.size
        )

    def total(self, value: Tensor) -> Tensor:
        """Return the sum over all processes; gradients flow back to each."""
        if self.size == 1:
            return value
        result: Tensor = _Total.apply(value)  # type: ignore[no-untyped-call]
        return result

    def any_says(self, *, yes: bool) -> bool:
        """Return True in every process if it is true in one."""
        if self.size == 1:
            return yes
        device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
        votes = torch.tensor(float(yes), device=device)  # scalar
        distributed.all_reduce(votes)
        return bool(votes > 0)

    def from_leader(self, value: T | None) -> T:
        """Return in every process what the leader has; the others hand in None.

        Parameters
        ----------
        value : object
            Of the leader; it travels pickled, its tensors must be on the CPU.
        """
        sent: list[Any] = [value]
        if self.size > 1:
            distributed.broadcast_object_list(sent, src=0)
        found: T = sent[0]
        return found

    def prepared(self, network: nn.Module) -> nn.Module:
        """Return a module that runs `network`, its gradients joined over all processes.

        The network shares its weights with it, and keeps their names.
        """
        if self.size == 1:
            return network
        for module in network.modules():
            for name, child in module.named_children():
                if type(child) is nn.BatchNorm2d:
                    setattr(module, name, _TeamNorm.of(child, self))
        return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)


ALONE = Team()


@contextmanager
def joined_team(device: str = "auto") -> Iterator[Team]:
    """Give the team that torchrun started this process in, or `ALONE`.

    Parameters
    ----------
    device : str
        See `nn.device.choose_device`; each process of a computer takes a GPU of its own.

    Raises
    ------
    TrainingError
        If there are fewer GPUs than processes, or the device is Apple's.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        local = int(os.environ["LOCAL_RANK"])
        if local >= torch.cuda.device_count():
            raise TrainingError(
                f"There are {torch.cuda.device_count()} GPUs for more processes. Start "
                "one process for each GPU, or add --device cpu."
            )
        torch.cuda.set_device(local)
    elif choose_device(device).type != "cpu":
        raise TrainingError(
            "Several processes train on NVIDIA GPUs or on the CPU only. Add --device cpu, "
            "or start one process without torchrun."
        )
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=WAIT)
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


class _Total(torch.autograd.Function):
    """A sum over all processes; what flows back to it is summed over them as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ARG004 - torch calls it
        result = value.detach().clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        result = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(result)
        return result


class _TeamNorm(nn.BatchNorm2d):
    """Batch norm over the crops of all processes; torch's own is for GPUs only."""

    team: Team = ALONE

    @classmethod
    def of(cls, norm: nn.BatchNorm2d, team: Team) -> _TeamNorm:
        """Return one that shares weights and statistics with `norm`."""
        made = cls(norm.num_features, norm.eps, norm.momentum)
        made.team = team
        made.weight, made.bias = norm.weight, norm.bias
        for name, value in norm.named_buffers():
            made.register_buffer(name, value)
        return made

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Return (n, c, h, w), normalised."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        count = torch.full((1,), x.numel() / x.shape[1], device=x.device)
        sums = self.team.total(torch.cat([x.sum((0, 2, 3)), count]))
        n_pixels = sums[-1].detach()
        mean = sums[:-1] / n_pixels  # (c,)
        centred = x - mean[:, None, None]
        variance = self.team.total((centred**2).sum((0, 2, 3))) / n_pixels  # (c,)
        self._remember(mean.detach(), variance.detach(), float(n_pixels))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        result = centred * scale[:, None, None] + self.bias[:, None, None]
        return result.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, n_pixels: float) -> None:
        """Move the running statistics as torch's batch norm does."""
        if self.running_mean is None or self.running_var is None:
            return
        momentum = 0.1 if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        unbiased = variance * (n_pixels / max(n_pixels - 1, 1))
        self.running_var.lerp_(unbiased, momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
