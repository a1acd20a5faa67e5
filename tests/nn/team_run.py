"""What test_team.py starts as two processes: a short training with a small network."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training import loop as training
from napari_cellseg.nn.training.batches import TrainingImage
from napari_cellseg.nn.training.data import synthetic_training_images
from napari_cellseg.nn.training.loop import fit
from napari_cellseg.nn.training.team import joined_team
from napari_cellseg.nn.weights import save_state

OPTIONS = TrainOptions(
    steps=8, batch_size=4, crop_px=64, checkpoint_every=3, warmup_steps=1
)


def small() -> CellNet:
    return CellNet((8, 16, 16))


def images() -> list[TrainingImage]:
    """Return scenes of which a part is not known, so that crops count differently."""
    found = []
    for image in synthetic_training_images(3, 0):
        known = torch.zeros(image.truth.shape[-2:], dtype=torch.bool)
        known[:, : known.shape[1] // 2] = True
        found.append(replace(image, valid=known))
    return found


def exactly(*_: Any) -> nullcontext[None]:
    """Stand for `torch.autocast`: bfloat16 rounds sums over two crops other than over four.

    One process that takes the same crops in another order ends 1 % apart by that alone,
    so it would hide a loss or a gradient that is joined wrongly.
    """
    return nullcontext()


def train(out: Path, dies_after: int = 0) -> None:
    """Train into `out`; with `dies_after` the leader kills itself after that step."""
    training.CellNet = small  # type: ignore[misc,assignment]
    training.CURVE_EVERY = 1
    torch.autocast = exactly  # type: ignore[misc,assignment]
    with joined_team("cpu") as team:
        job = fit(images(), OPTIONS, out, torch.device("cpu"), team=team)
        while True:
            try:
                progress = next(job)
            except StopIteration as stop:
                network, _ = stop.value
                break
            if progress.done == dies_after and team.is_leader:
                os.kill(os.getpid(), signal.SIGKILL)
        if not team.is_leader:
            out = out / "others"
            out.mkdir()
        save_state(network.state_dict(), out / "end.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), int(sys.argv[2]))
