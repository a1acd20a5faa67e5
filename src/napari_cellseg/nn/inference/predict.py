"""Pixels to maps on a device, a tile at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from napari_cellseg.core.errors import OutOfMemoryError
from napari_cellseg.core.segmentation.resize import ReadWindow
from napari_cellseg.core.segmentation.tiling import Tile, plan_tiles
from napari_cellseg.nn.memory import keep_freed_memory
from napari_cellseg.nn.network import N_MAPS, STRIDE

#: How the image is shown when maps are averaged: zoom, quarter turns, mirrored or not. On 48
#: validation images and 8 brain sections, for 1.1 times the time, AP50 0.806 and mSA 0.565
#: instead of the 0.799 and 0.556 of the eight flips and turns at one size.
VIEWS = (
    (0.8, 0, False),
    (0.8, 2, True),
    (1.0, 1, False),
    (1.0, 3, True),
    (1.25, 0, True),
    (1.25, 2, False),
    (1.5, 3, False),
)


class Predictor:
    """A network ready to run: batch norm folded into the convolutions, on its device.

    Parameters
    ----------
    network : nn.Module
        A `CellNet`, changed in place and not to be trained afterwards, or what answers in
        its place (`runtimes`): (n, 3, h, w) to (n, 5, h, w).
    device : torch.device
        Where to run.
    thread : Executor or None
        Runs the network, whichever thread asks; None lets that one do it.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, thread: Executor | None = None
    ) -> None:
        self.device = device
        self._thread = thread
        keep_freed_memory()
        network = folded(network.eval())
        # A device looks at one window at a time, however many images are in work.
        self._turn = threading.Lock()
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict_tiles(
        self,
        read_window: ReadWindow,
        shape_yx: tuple[int, int],
        *,
        augmented: bool = False,
        tiles: list[Tile] | None = None,
    ) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
        """Yield (tiles done, tiles in all, maps); the maps are whole after the last one.

        Parameters
        ----------
        read_window : callable
            Gets (rows, columns) and returns (3, y, x) float32, normalised.
        shape_yx : (y, x)
            Size of the plane.
        augmented : bool
            Average over `VIEWS`.
        tiles : list of Tile, optional
            Other tiles than `core.segmentation.tiling.plan_tiles` gives.

        Raises
        ------
        OutOfMemoryError
            If the device runs out of memory.
        """
        tiles = tiles if tiles is not None else plan_tiles(shape_yx)
        maps = np.zeros((N_MAPS, *shape_yx), dtype=np.uint8)
        for done, tile in enumerate(tiles, start=1):
            answer = self.maps_of(read_window(tile.window), augmented=augmented)
            maps[(slice(None), *tile.core)] = answer[
                (slice(None), *tile.core_in_window)
            ]
            yield done, len(tiles), maps

    def maps_of(
        self, pixels: NDArray[np.float32], *, augmented: bool
    ) -> NDArray[np.uint8]:
        """Return the (5, y, x) uint8 maps of (3, y, x) pixels, normalised.

        Raises
        ------
        OutOfMemoryError
            If the device runs out of memory.
        """
        try:
            if self._thread is None:
                return self._looked_at(pixels, augmented=augmented)
            return self._thread.submit(
                self._looked_at, pixels, augmented=augmented
            ).result()
        except torch.OutOfMemoryError as error:
            raise _out_of_memory(pixels, self.device) from error
        except RuntimeError as error:
            # The CPU's allocator has no exception type of its own.
            if "allocate memory" in str(error):
                raise _out_of_memory(pixels, self.device) from error
            raise

    def _looked_at(
        self, pixels: NDArray[np.float32], *, augmented: bool
    ) -> NDArray[np.uint8]:
        """Return the maps of pixels; see `maps_of`."""
        with self._turn, torch.inference_mode():
            batch = torch.from_numpy(np.array(pixels, order="C"))[None].to(self.device)
            maps = self._averaged(batch) if augmented else self._forward(batch)
            return _quantized(maps)[0].cpu().numpy()

    def _forward(self, batch: Tensor) -> Tensor:
        """Return (n, 5, h, w) maps: three as 0..1, two as -1..1."""
        height, width = batch.shape[-2:]
        padded = _padded(batch).contiguous(memory_format=torch.channels_last)
        maps: Tensor = self._network(padded)[..., :height, :width]
        # The network's channels lie side by side; apart, each is worked on in one sweep.
        maps = maps.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        maps[:, :3].sigmoid_()
        maps[:, 3:].clamp_(-1, 1)
        return maps

    def _averaged(self, batch: Tensor) -> Tensor:
        """Return the mean over `VIEWS`, each turned and resized back."""
        total = torch.zeros((), device=batch.device)
        for zoom, turns, is_flipped in VIEWS:
            seen = torch.rot90(_zoomed(batch, zoom), turns, (2, 3))
            seen = torch.flip(seen, (3,)) if is_flipped else seen
            maps = _undone(self._forward(seen), turns, is_flipped=is_flipped)
            total = total + _resized(maps, batch.shape[-2:])
        return total / len(VIEWS)


def _zoomed(pixels: Tensor, zoom: float) -> Tensor:
    """Return (n, c, h, w) at another size, of one pixel at least."""
    height, width = (max(1, round(edge * zoom)) for edge in pixels.shape[-2:])
    return _resized(pixels, (height, width))


def _resized(values: Tensor, shape_yx: Sequence[int]) -> Tensor:
    """Return (n, c, h, w) values at a size."""
    if tuple(values.shape[-2:]) == tuple(shape_yx):
        return values
    return functional.interpolate(
        values, tuple(shape_yx), mode="bilinear", antialias=True
    )


def _undone(maps: Tensor, turns: int, *, is_flipped: bool) -> Tensor:
    """Turn the maps of a flipped and turned image back, vectors included."""
    scalars, flow_y, flow_x = maps[:, :3], maps[:, 3:4], maps[:, 4:5]
    if is_flipped:
        scalars, flow_y, flow_x = (
            torch.flip(each, (3,)) for each in (scalars, flow_y, flow_x)
        )
        flow_x = -flow_x
    for _ in range(turns):
        scalars, flow_y, flow_x = (
            torch.rot90(each, -1, (2, 3)) for each in (scalars, flow_y, flow_x)
        )
        # Turning back by 90 degrees sends (y, x) to (x, -y).
        flow_y, flow_x = flow_x, -flow_y
    return torch.cat([scalars, flow_y, flow_x], 1)


def _padded(batch: Tensor) -> Tensor:
    """Pad bottom and right to a multiple of the stride, mirrored where it is large enough."""
    height, width = batch.shape[-2:]
    below, right = -height % STRIDE, -width % STRIDE
    mode = "reflect" if below < height and right < width else "replicate"
    return functional.pad(batch, (0, right, 0, below), mode=mode)


def _quantized(maps: Tensor) -> Tensor:
    """Return uint8: 0..1 becomes 0..255, -1..1 becomes 0..255. Uses up `maps`."""
    maps[:, :3].mul_(255)
    maps[:, 3:].mul_(127.5).add_(127.5)
    return maps.round_().clamp_(0, 255).to(torch.uint8)


def folded(network: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it."""
    for module in network.modules():
        if isinstance(module, torch.nn.Sequential) and len(module) == 2:
            first, second = module[0], module[1]
            if isinstance(first, torch.nn.Conv2d) and isinstance(
                second, torch.nn.BatchNorm2d
            ):
                module[0] = fuse_conv_bn_eval(first, second)
                module[1] = torch.nn.Identity()
    return network


def _out_of_memory(
    pixels: NDArray[np.float32], device: torch.device
) -> OutOfMemoryError:
    """Return the error for a tile that does not fit into memory."""
    height, width = pixels.shape[-2:]
    return OutOfMemoryError(
        f"The {device.type.upper()} ran out of memory on a tile of {height} × {width} px; "
        "close other programs that use it, or run on the CPU."
    )
