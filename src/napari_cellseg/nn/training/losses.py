"""What training minimises; pixels that are not valid count nowhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What the network should say of a batch of crops.

    Attributes
    ----------
    foreground, distance, border : (n, h, w) float32
        0 to 1.
    flow : (n, 2, h, w) float32
        -1 to 1, y and x.
    valid : (n, h, w) float32
        How much each pixel counts, 1 as a rule; 0 where the truth is not known.
    """

    foreground: Tensor
    distance: Tensor
    border: Tensor
    flow: Tensor
    valid: Tensor

    def to(self, device: torch.device) -> Targets:
        """Return the targets on a device."""
        return Targets(*(getattr(self, item.name).to(device) for item in fields(self)))

    def part(self, crops: slice) -> Targets:
        """Return the targets of some of the crops."""
        return Targets(*(getattr(self, item.name)[crops] for item in fields(self)))


#: Weights of the parts, chosen so that each starts at about the same size.
WEIGHTS = {"foreground": 1.0, "dice": 0.5, "distance": 4.0, "border": 0.7, "flow": 1.0}


#: Adds up over all processes of a training; see `nn.training.team`.
Total = Callable[[Tensor], Tensor]


def map_losses(
    maps: Tensor, targets: Targets, total: Total | None = None
) -> dict[str, Tensor]:
    """Return the weighted parts of the loss, scalars by name.

    Parameters
    ----------
    maps : (n, 5, h, w) float tensor
        What `CellNet` returns.
    targets : Targets
        Of the same crops.
    total : callable, optional
        Adds sums over crops up over all processes, so that each has the loss of all crops.
    """
    total = total or _own
    maps = maps.float()
    valid = targets.valid
    n_valid = total(valid.sum()).clamp(min=1)
    inside = targets.foreground * valid
    foreground_each = functional.binary_cross_entropy_with_logits(
        maps[:, 0], targets.foreground, reduction="none"
    )
    # Pixels between two cells decide whether the cells are told apart.
    edge_weight = 1 + targets.border
    border_each = functional.binary_cross_entropy_with_logits(
        maps[:, 2],
        targets.border,
        reduction="none",
        pos_weight=torch.tensor(2.0, device=maps.device),
    )
    distance_each = functional.smooth_l1_loss(
        torch.sigmoid(maps[:, 1]), targets.distance, reduction="none", beta=0.1
    )
    flow_each = ((maps[:, 3:5] - targets.flow) ** 2).sum(1)
    parts = {
        "foreground": total((foreground_each * edge_weight * valid).sum()) / n_valid,
        "dice": _dice_loss(torch.sigmoid(maps[:, 0]), targets.foreground, valid, total),
        "distance": total((distance_each * (0.25 * valid + inside)).sum()) / n_valid,
        "border": total((border_each * valid).sum()) / n_valid,
        "flow": total((flow_each * inside).sum()) / total(inside.sum()).clamp(min=1),
    }
    return {name: WEIGHTS[name] * value for name, value in parts.items()}


def _own(value: Tensor) -> Tensor:
    """Return the sum as it is: there is one process."""
    return value


def _dice_loss(predicted: Tensor, truth: Tensor, valid: Tensor, total: Total) -> Tensor:
    """Return 1 - soft Dice over the whole batch (Milletari et al. 2016)."""
    overlap = total((predicted * truth * valid).sum())
    both = total((predicted * valid).sum() + (truth * valid).sum())
    return 1 - (2 * overlap + 1) / (both + 1)
