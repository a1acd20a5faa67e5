"""How often luck gets a model recommended: ``python benchmarks/recommendation.py SEEN``.

SEEN is a file that ``--record`` makes: ``... SEEN --record DATA OLD NEW [NEW ...]`` lets an
old model and some new ones segment fluorescence images of DSB2018, and keeps what each
found, cell by cell. ``--without`` names folders of trainings: what they learned from, and
all that belongs with it, is left out.

Then held-out cells are drawn as a training holds them out: a strip of each of one to three
images, or three tenths of 5 to 40 images. The gain of a new model on all images is taken
away, and a true gain put in its place; what is left is luck. The rule of
`nn.fine_tuning.report` is asked whether it would recommend the new model.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from few_shot import challenge_of, items_of
from napari_cellseg.core.model_spec import settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training.item import Comparison
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.models.training_files import ITEMS_FOLDER, read_items
from napari_cellseg.nn.fine_tuning.chance import CellCounts, drawn_gains
from napari_cellseg.nn.fine_tuning.examiner import Examiner
from napari_cellseg.nn.fine_tuning.report import FEWEST_TOLD, verdict
from napari_cellseg.nn.weights import load_model

GAINS = (0.0, 0.02, 0.05, 0.1)
#: Images of which a strip of a fifth is held out, and images of which three tenths are.
STRIPS, WHOLE = (1, 2, 3), (5, 10, 20, 40)
HELD_SHARE, STRIP_SHARE = 0.3, 0.2
MIN_CELLS, MAX_EDGE_PX, N_IMAGES = 5, 400, 110
NO_LOSS = Comparison(1, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0)

Seen = list[CellCounts]


def record(path: Path, data: Path, models: Sequence[Path], without: set[str]) -> None:
    """Keep what each model finds on images, cell by cell."""
    pool = challenge_of("nuclei", data).pool
    groups = {sample.group for sample in pool if sample.name in without}
    pool = sorted((s for s in pool if s.group not in groups), key=_place)
    items = [item for sample in pool for item in items_of([sample])]
    items = [
        item
        for item in items
        if len(item.cell_ids()) >= MIN_CELLS and max(item.labels.shape) <= MAX_EDGE_PX
    ][:N_IMAGES]
    kept: dict[str, Any] = {}
    for place, folder in enumerate(models):
        network, spec = load_model(folder)
        examiner = Examiner(items, spec)
        maps = examiner.maps(network, torch.device("cpu"))
        found = examiner.examine(maps, settled_options(SegmentOptions(), spec))
        for number, counts in enumerate(examiner.by_cell(found)):
            kept[f"{place}/{number}"] = counts
    np.savez_compressed(path, **kept)


def _place(sample: Sample) -> bytes:
    return hashlib.sha256(f"sim/{sample.name}".encode()).digest()


def seen_in(path: Path) -> list[Seen]:
    """Return what each model found; the old one is the first."""
    models: dict[int, Seen] = {}
    with np.load(path) as arrays:
        for name in arrays.files:
            models.setdefault(int(name.split("/")[0]), []).append(arrays[name])
    return list(models.values())


def msa(counts: CellCounts) -> float:
    """Return the mSA of an image."""
    found, total = counts.sum(0)
    return float(np.where(total > 0, found / np.maximum(total, 1), 1.0).mean())


def drawn(n_images: int, n_all: int, rng: np.random.Generator) -> list[int]:
    """Return the images that are held out of so many."""
    n_held = n_images if n_images in STRIPS else max(2, round(HELD_SHARE * n_images))
    return [int(place) for place in rng.integers(0, n_all, n_held)]


def strip(counts: CellCounts, rng: np.random.Generator) -> slice:
    """Return some of the cells of an image: neighbours stand beside each other."""
    n_cells = max(1, round(STRIP_SHARE * len(counts)))
    start = int(rng.integers(0, len(counts) - n_cells + 1))
    return slice(start, start + n_cells)


def is_recommended(
    old: Seen, new: Seen, n_images: int, shift: float, rng: np.random.Generator
) -> tuple[bool, int]:
    """Return whether the new model is recommended on held-out cells, and their number."""
    before, after = [], []
    for place in drawn(n_images, len(old), rng):
        cells = slice(None)
        if n_images in STRIPS:
            cells = strip(old[place], rng)
        before.append(old[place][cells])
        after.append(new[place][cells])
    msa_old = float(np.mean([msa(each) for each in before]))
    gain = float(np.mean([msa(each) for each in after])) - msa_old + shift
    n_cells = sum(map(len, before))
    # A true gain lifts every draw alike.
    sure = float((drawn_gains(before, after) + shift > 0).mean())
    held = Comparison(n_cells, 0, 0, msa_old, msa_old + gain, 0, 0, 0, 0, sure)
    return verdict(held, NO_LOSS)[0], n_cells


def main(path: Path, n_draws: int) -> None:
    """Print the table."""
    old, *others = seen_in(path)
    rng = np.random.default_rng(1)
    in_truth = [
        float(np.mean([msa(b) - msa(a) for a, b in zip(old, new, strict=True)]))
        for new in others
    ]
    print(f"gains on all {len(old)} images:", [round(gain, 3) for gain in in_truth])
    print("| images checked | cells held out |", " | ".join(map(str, GAINS)), "|")
    for n_images in (*STRIPS, *WHOLE):
        shares, n_cells = [], []
        for true_gain in GAINS:
            passed = []
            for _ in range(n_draws):
                which = int(rng.integers(len(others)))
                shift = true_gain - in_truth[which]
                said, n = is_recommended(old, others[which], n_images, shift, rng)
                passed.append(said)
                n_cells.append(n)
            shares.append(f"{100 * np.mean(passed):.0f} %")
        print(f"| {n_images} | {np.median(n_cells):.0f} |", " | ".join(shares), "|")
    print(f"Below {FEWEST_TOLD} cells nothing is recommended.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seen", type=Path, help="what `--record` wrote (.npz)")
    parser.add_argument("--record", nargs="+", type=Path, help="DATA OLD NEW [NEW ...]")
    parser.add_argument("--without", nargs="*", type=Path, default=[])
    parser.add_argument("--draws", type=int, default=400)
    given = parser.parse_args()
    if given.record:
        names = {
            item.name
            for folder in given.without
            for item in read_items(folder / ITEMS_FOLDER)
        }
        record(given.seen, given.record[0], given.record[1:], names)
    main(given.seen, given.draws)
