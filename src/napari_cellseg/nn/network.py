"""The network: a residual U-Net that works at half resolution and answers at full.

After Ronneberger et al. 2015 (doi:10.1007/978-3-319-24574-4_28). Ours differs where it
saves time on a CPU: a stride-2 stem, sums instead of concatenations, nearest upsampling,
and a thin full-resolution branch that gives the sharp edges back.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Sizes are padded to a multiple of this.
STRIDE = 32
#: Foreground, distance, border: logits. Flow y and x: -1..1.
N_MAPS = 5
DETAIL_CHANNELS = 8
MERGED_CHANNELS = 16
DEFAULT_WIDTHS = (24, 48, 96, 160, 256)


def _conv_norm(n_in: int, n_out: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a convolution with batch norm, without activation."""
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(n_out),
    )


class Residual(nn.Module):
    """Two convolutions and the way past them (He et al. 2016)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = _conv_norm(n_in, n_out)
        self.second = _conv_norm(n_out, n_out)
        self.past = nn.Identity() if n_in == n_out else _conv_norm(n_in, n_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, n_in, h, w) to (n, n_out, h, w)."""
        y = functional.relu(self.first(x), inplace=True)
        return functional.relu(self.second(y) + self.past(x), inplace=True)


class CellNet(nn.Module):
    """Image to maps.

    Parameters
    ----------
    widths : tuple of int
        Channels at strides 2, 4, 8, ...; one level each.
    """

    def __init__(self, widths: tuple[int, ...] = DEFAULT_WIDTHS) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.stem = _conv_norm(3, widths[0], 5, 2)
        self.detail = _conv_norm(3, DETAIL_CHANNELS)
        self.encoder = nn.ModuleList()
        n_in = widths[0]
        for level, width in enumerate(widths):
            blocks = [Residual(n_in, width)]
            # Depth is cheap where the maps are small, and that is where context is.
            if level >= 2:
                blocks.append(Residual(width, width))
            self.encoder.append(nn.Sequential(*blocks))
            n_in = width
        pairs = list(pairwise(widths))
        self.lateral = nn.ModuleList(
            nn.Conv2d(deep, shallow, 1) for shallow, deep in pairs
        )
        self.decoder = nn.ModuleList(Residual(shallow, shallow) for shallow, _ in pairs)
        self.spread = nn.Conv2d(widths[0], 4 * MERGED_CHANNELS, 1)
        self.merge = _conv_norm(MERGED_CHANNELS + DETAIL_CHANNELS, MERGED_CHANNELS)
        self.head = nn.Conv2d(MERGED_CHANNELS, N_MAPS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, 5, h, w); h and w are multiples of `STRIDE`."""
        detail = functional.relu(self.detail(x), inplace=True)  # (n, 8, h, w)
        x = functional.relu(self.stem(x), inplace=True)  # (n, w0, h/2, w/2)
        levels: list[Tensor] = []
        for index, stage in enumerate(self.encoder):
            if index:
                x = functional.max_pool2d(x, 2)
            x = stage(x)
            levels.append(x)
        for index in range(len(levels) - 2, -1, -1):
            deeper = functional.interpolate(self.lateral[index](x), scale_factor=2.0)
            x = self.decoder[index](levels[index] + deeper)
        x = functional.pixel_shuffle(self.spread(x), 2)  # (n, 16, h, w)
        x = functional.relu(self.merge(torch.cat([x, detail], 1)), inplace=True)
        maps: Tensor = self.head(x)  # (n, 5, h, w)
        return maps
