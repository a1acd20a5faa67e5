"""What other runtimes gain and cost: ``python benchmarks/runtimes.py DATA``.

For torch, ONNX Runtime, OpenVINO and OpenVINO int8: accuracy on the validation images of
`io.datasets.base_sets` (never those of the benchmark), and the time of the network on a plane of
1024 x 1024 with two threads, in turns, so that all of them meet the same other work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.datasets.base_sets import base_sets
from napari_cellseg.io.datasets.samples import read_sample
from napari_cellseg.nn.inference.local import LocalSegmenter
from napari_cellseg.nn.inference.runtimes import RUNTIMES

N_THREADS = 2
EDGE_PX = 1024
DEVICES = ("cpu", *RUNTIMES)


def main() -> None:
    """Measure every runtime and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with the image sets")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    segmenters = {device: LocalSegmenter(None, device) for device in DEVICES}
    seconds = network_seconds(segmenters, arguments.repeats)
    print("| runtime | AP50 | mSA | network, best s | network, median s | CPU s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for device, segmenter in segmenters.items():
        ap50, msa = accuracy(segmenter, arguments.data)
        walls, used = seconds[device]
        print(
            f"| {segmenter.device} | {ap50:.4f} | {msa:.4f} | {min(walls):.3f} "
            f"| {statistics.median(walls):.3f} | {min(used):.2f} |",
            flush=True,
        )


def network_seconds(
    segmenters: dict[str, LocalSegmenter], repeats: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Return wall and processor seconds of the network alone, of each runtime."""
    shown = np.random.default_rng(1).random((3, EDGE_PX, EDGE_PX), dtype=np.float32)
    times: dict[str, tuple[list[float], list[float]]] = {}
    for turn in range(repeats + 1):
        for device, segmenter in segmenters.items():
            wall, used = time.perf_counter(), time.process_time()
            segmenter._predictor.maps_of(shown, augmented=False)
            if turn:
                walls, processor = times.setdefault(device, ([], []))
                walls.append(time.perf_counter() - wall)
                processor.append(time.process_time() - used)
    return times


def accuracy(segmenter: LocalSegmenter, data: Path) -> tuple[float, float]:
    """Return by-image AP50 and mSA on the validation images."""
    ap50, msa = [], []
    for sample in base_sets(data).validation:
        plane, truth = read_sample(sample)
        image = CellImage(plane, is_rgb=len(plane) == 3)
        labels = run(segmenter.segment(image, SegmentOptions())).labels
        found = [match.average_precision for match in match_labels(truth, labels)]
        ap50.append(found[0])
        msa.append(float(np.mean(found)))
    return float(np.mean(ap50)), float(np.mean(msa))


if __name__ == "__main__":
    main()
