"""The command line under torchrun: one report, one model, the losses of a single process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.nn.training.curve import columns_of

TOGETHER = ["-m", "torch.distributed.run", "--nproc-per-node", "2"]


def run_command(out: Path, data: Path, *start: str) -> str:
    options = ["--steps", "2", "--batch-size", "2", "--crop", "64", "--device", "cpu"]
    done = subprocess.run(
        [
            sys.executable,
            *start,
            "-m",
            "napari_cellseg",
            "fine-tune",
            str(data),
            "-o",
            str(out),
            *options,
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_two_processes_fine_tune_as_one_and_only_one_of_them_tells(
    tmp_path: Path,
) -> None:
    for seed in (13, 25):
        scene = random_scene(seed, (128, 128))
        for part, data in (("images", scene.image.plane()[0]), ("masks", scene.labels)):
            (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
            stored = data.astype(np.uint16) if part == "masks" else data
            tifffile.imwrite(tmp_path / "set" / part / f"{seed}.tif", stored)
    run_command(tmp_path / "one", tmp_path / "set")
    port = ["--master-port", str(27_500 + os.getpid() % 2000)]
    told = run_command(tmp_path / "two", tmp_path / "set", *TOGETHER, *port)
    assert told.count("The model is in") == 1
    assert told.count("checked cells") == 1
    losses = [
        [value for _, value in columns_of(tmp_path / name / "curve.csv")["loss"]]
        for name in ("one", "two")
    ]
    assert len(losses[1]) == 2
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
    assert (tmp_path / "two" / "model" / "weights.safetensors").is_file()
