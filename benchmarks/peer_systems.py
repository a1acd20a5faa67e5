"""Times one system on one field; `peers.py` starts it in the environment of the peers.

Prints one JSON object a line: system, part, median, best (wall seconds), cpu (seconds of
processor time of one run, over all threads) and cells found.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from confluent import Field, confluent_field

N_THREADS = 2
Run = Callable[[], Any]


def report(system: str, part: str, run: Run, repeats: int) -> Any:
    """Time a part, print its line and return what it gives."""
    result = run()
    walls, processor = [], []
    for _ in range(repeats):
        wall, used = time.perf_counter(), time.process_time()
        result = run()
        walls.append(time.perf_counter() - wall)
        processor.append(time.process_time() - used)
    cells = int(result.max()) if isinstance(result, np.ndarray) else ""
    line = {
        "system": system,
        "part": part,
        "median": statistics.median(walls),
        "best": min(walls),
        "cpu": min(processor),
        "cells": cells,
    }
    print(json.dumps(line), flush=True)
    return result


def ours(field: Field, repeats: int) -> None:
    """Time what ships: end to end, the network, and the decoder on two kinds of maps."""
    import torch

    from napari_cellseg.core.jobs import run
    from napari_cellseg.core.options import SegmentOptions
    from napari_cellseg.core.segmentation.decode import labels_from_maps
    from napari_cellseg.core.training.targets import make_targets
    from napari_cellseg.core.types import CellImage, PlaneMaps
    from napari_cellseg.nn.inference.local import LocalSegmenter

    torch.set_num_threads(N_THREADS)
    segmenter = LocalSegmenter(None, "cpu")
    image = CellImage(field.pixels[None])

    def segmented(**options: Any) -> Any:
        return run(segmenter.segment(image, SegmentOptions(**options)))

    report("ours", "end to end, default", lambda: segmented().labels, repeats)
    report("ours", "end to end, fast", lambda: segmented(preset="fast").labels, repeats)
    shown = np.zeros((3, *field.pixels.shape), np.float32)

    def network() -> None:
        for _ in segmenter._predictor.predict_tiles(
            lambda window: shown[(slice(None), *window)], field.pixels.shape
        ):
            pass

    report("ours", "network", network, repeats)
    result = segmented(keep_maps=True)
    decode = partial(labels_from_maps, result.maps[0], result.options)
    report("ours", "decode, own maps", lambda: decode()[0], repeats)
    targets = make_targets(field.labels)
    inside = np.where(field.labels > 0, 250, 5).astype(np.uint8)
    flow = (targets.flow.astype(np.int16) + 127).clip(0, 255).astype(np.uint8)
    maps = np.stack([inside, targets.distance, np.zeros_like(inside), *flow])
    plane = PlaneMaps(maps, field.labels.shape)
    report(
        "ours", "decode", lambda: labels_from_maps(plane, result.options)[0], repeats
    )


def stardist(field: Field, repeats: int) -> None:
    """Time StarDist's standard network (grid 2, 32 rays) and its polygon suppression."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(N_THREADS)
    from csbdeep.utils import normalize
    from stardist.geometry import polygons_to_label, star_dist
    from stardist.models import Config2D, StarDist2D
    from stardist.nms import non_maximum_suppression
    from stardist.utils import edt_prob

    grid = (2, 2)
    model = StarDist2D(Config2D(n_rays=32, grid=grid), name=None, basedir=None)
    shown = normalize(field.pixels, 1, 99.8)
    report("StarDist", "network", lambda: len(model.predict(shown)), repeats)
    probability = edt_prob(field.labels)[::2, ::2]
    distances = star_dist(field.labels, 32, grid=grid)

    def decode() -> Any:
        points, scores, kept = non_maximum_suppression(
            distances, probability, grid=grid, nms_thresh=0.4, prob_thresh=0.5
        )
        return polygons_to_label(kept, points, prob=scores, shape=field.labels.shape)

    report("StarDist", "decode", decode, repeats)


def cellpose(field: Field, repeats: int) -> None:
    """Time the network of Cellpose 3 (cyto3's) and its dynamics, with and without check."""
    import torch
    from cellpose import core, dynamics
    from cellpose.resnet_torch import CPnet

    torch.set_num_threads(N_THREADS)
    few = min(2, repeats)
    net = CPnet([2, 32, 64, 128, 256], 3, sz=3, mkldnn=True, max_pool=True).eval()
    shown = np.zeros((1, *field.pixels.shape, 2), np.float32)
    shown[0, ..., 0] = field.pixels / field.pixels.max()
    report("Cellpose 3", "network", lambda: len(core.run_net(net, shown)), few)
    # Networks of Cellpose say flows five times their length.
    flows = (dynamics.masks_to_flows(field.labels) * 5).astype(np.float32)
    said = np.where(field.labels > 0, 6.0, -6.0).astype(np.float32)
    for part, threshold in (("decode", 0.4), ("decode, no flow check", 0.0)):

        def decode(threshold: float = threshold) -> Any:
            return np.asarray(
                dynamics.resize_and_compute_masks(
                    flows, said, niter=200, flow_threshold=threshold
                )
            )

        report("Cellpose 3", part, decode, few)


def instanseg(field: Field, repeats: int) -> None:
    """Time InstanSeg's network and its seeds-and-crops decoder."""
    import torch
    from instanseg.utils.loss.instanseg_loss import InstanSeg
    from instanseg.utils.models.InstanSeg_UNet import InstanSeg_UNet

    torch.set_num_threads(N_THREADS)
    few = min(2, repeats)
    net = InstanSeg_UNet(3, [[2, 2, 1]], layers=[256, 128, 64, 32]).eval()
    shown = torch.zeros((1, 3, *field.pixels.shape))

    def network() -> None:
        with torch.inference_mode():
            net(shown)

    report("InstanSeg", "network", network, few)
    decoder = InstanSeg(n_sigma=2, device="cpu", dim_coords=2, dim_seeds=1)
    decoder.initialize_pixel_classifier(torch.nn.Module(), MLP_width=5)
    _tell_inside(decoder.pixel_classifier)
    maps = torch.from_numpy(_instanseg_maps(field.labels))

    # What its published models are exported with, and the default of the class.
    exported = {
        "window_size": 32,
        "cleanup_fragments": True,
        "peak_distance": 5,
        "seed_threshold": 0.7,
        "overlap_threshold": 0.3,
    }
    for part, values in (("decode", exported), ("decode, window 128", {})):

        def decode(values: dict[str, Any] = values) -> Any:
            with torch.inference_mode():
                return decoder.postprocessing(maps, **values).numpy()[0]

        report("InstanSeg", part, decode, few)


def _instanseg_maps(labels: Any) -> Any:
    """Return (5, y, x): every pixel points to the middle of its cell; a seed in each."""
    from scipy import ndimage

    from napari_cellseg.core.training.targets import make_targets

    distance = make_targets(labels).distance / 255
    ids = np.arange(1, labels.max() + 1)
    middles = np.array(ndimage.maximum_position(distance, labels, ids))
    middles = np.vstack([[0, 0], middles])
    rows, columns = np.indices(labels.shape)
    # A quarter a pixel is the unit of the embedding; x comes first; at most 4 units.
    away = np.stack([middles[labels, 1] - columns, middles[labels, 0] - rows]) / 4
    share = np.clip(away / 8 + 0.5, 0.01, 0.99)
    fields = np.log(share / (1 - share))
    seeds = np.where(labels > 0, 15 * (distance - 0.2), -8)
    empty = np.zeros((2, *labels.shape))
    return np.concatenate([fields, empty, seeds[None]]).astype(np.float32)


def _tell_inside(classifier: Any) -> None:
    """Set the pixel classifier so that it says yes near the seed in the embedding."""
    import torch

    with torch.no_grad():
        for layer in (classifier.fc1, classifier.fc2, classifier.fc3):
            layer.weight.zero_()
            layer.bias.zero_()
        for place, (axis, sign) in enumerate(
            ((0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0))
        ):
            classifier.fc1.weight[place, axis] = sign
            classifier.fc2.weight[place, place] = 1.0
            classifier.fc3.weight[0, place] = -4.0
        classifier.fc3.bias[0] = 6.0


if __name__ == "__main__":
    name, edge, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    systems = {
        "ours": ours, "stardist": stardist, "cellpose": cellpose, "instanseg": instanseg
    }  # fmt: skip
    systems[name](confluent_field(edge), times)
