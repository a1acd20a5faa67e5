"""What test_team.py starts as two processes: a short training with a small network."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from napari_cellseg.core.options import TrainOptions
from napari_cellseg.nn import training
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.team import joined_team
from napari_cellseg.nn.training import fit
from napari_cellseg.nn.training_data import synthetic_training_images
from napari_cellseg.nn.weights import save_state

OPTIONS = TrainOptions(
    steps=8, batch_size=4, crop_px=64, checkpoint_every=3, warmup_steps=1
)


def small() -> CellNet:
    return CellNet((8, 16, 16))


def train(out: Path, dies_after: int = 0) -> None:
    """Train into `out`; with `dies_after` the leader kills itself after that step."""
    training.CellNet = small  # type: ignore[misc,assignment]
    training.CURVE_EVERY = 1
    images = list(synthetic_training_images(3, 0))
    with joined_team("cpu") as team:
        job = fit(images, OPTIONS, out, torch.device("cpu"), team=team)
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
