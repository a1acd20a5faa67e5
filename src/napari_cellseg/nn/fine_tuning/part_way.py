"""Weights between those of the old model and the new: most of what was forgotten comes back.

They are nearly as good at what was learned, and lose less of what was known before
(Wortsman et al. 2022, https://doi.org/10.1109/CVPR52688.2022.00780).
"""

from __future__ import annotations

import copy

from napari_cellseg.nn.network import CellNet

#: Shares of the way from the old weights to the new that are tried, one after the other,
#: where all of it forgets too much, and how they are told. Measured, see
#: `docs/measured/training.md`.
SHARES = {0.75: "three quarters", 0.5: "half"}


def part_way(old: CellNet, new: CellNet, share: float) -> CellNet:
    """Return a network whose weights are a share of the way from the old to the new ones.

    Parameters
    ----------
    old, new : CellNet
        Of one architecture, the new one trained from the old one; not changed.
    share : float
        0 for the old weights, 1 for the new ones.
    """
    network = copy.deepcopy(new)
    before = old.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(before[name].lerp(value, share))
    return network
