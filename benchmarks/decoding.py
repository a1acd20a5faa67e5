"""How long decoding takes, by density and by size: ``python benchmarks/decoding.py``.

One thread; maps of true cells, as the network would give them after perfect training.
Prints two Markdown tables: fields of 1024 x 1024 from few large cells to thousands of
small ones, and fields of one density from 512 x 512 to 2048 x 2048.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np

from confluent import confluent_field
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.training.targets import make_targets
from napari_cellseg.core.types import PlaneMaps

CELLS_PX = (96.0, 48.0, 36.0, 24.0, 16.0, 11.0, 8.0)
EDGES_PX = (512, 1024, 2048)
OPTIONS = SegmentOptions(
    foreground_threshold=0.5, seed_threshold=0.6, min_confidence=0.3, min_area_px=4
)


def main() -> None:
    """Time both series and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    for title, fields in (
        ("density", [(1024, cell_px) for cell_px in CELLS_PX]),
        ("size", [(edge_px, 36.0) for edge_px in EDGES_PX]),
    ):
        print(f"\n{title}\n")
        print(
            "| decoder | field, px | cell, px | cells | found | CPU ms | CPU ms/Mpx |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for edge_px, cell_px in fields:
            maps, n_cells = field_maps(edge_px, cell_px)
            for decoder in ("watershed", "flow"):
                seconds, n_found = decode_seconds(maps, decoder, repeats)
                print(
                    f"| {decoder} | {edge_px} | {cell_px:.0f} | {n_cells} | {n_found} "
                    f"| {1e3 * seconds:.0f} | {1e9 * seconds / edge_px**2:.0f} |"
                )


def field_maps(edge_px: int, cell_px: float) -> tuple[PlaneMaps, int]:
    """Return the maps of a field, and how many cells it has."""
    field = confluent_field(edge_px, cell_px)
    targets = make_targets(field.labels)
    inside = np.where(field.labels > 0, 250, 5).astype(np.uint8)
    flow = (targets.flow.astype(np.int16) + 127).clip(0, 255).astype(np.uint8)
    maps = np.stack([inside, targets.distance, np.zeros_like(inside), *flow])
    return PlaneMaps(maps, field.labels.shape), field.n_cells


def decode_seconds(maps: PlaneMaps, decoder: str, repeats: int) -> tuple[float, int]:
    """Return the median processor time of decoding, and how many cells it finds."""
    options = SegmentOptions(**{**OPTIONS.to_dict(), "decoder": decoder})
    labels, _ = labels_from_maps(maps, options)
    times = []
    for _ in range(repeats):
        started = time.process_time()
        labels_from_maps(maps, options)
        times.append(time.process_time() - started)
    return statistics.median(times), int(labels.max())


if __name__ == "__main__":
    main()
