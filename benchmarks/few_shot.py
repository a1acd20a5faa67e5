"""How good a model becomes with few images: ``python benchmarks/few_shot.py DATA --out RUN``.

Trains on 1, 5, 10 and all fluorescence images of DSB2018, from scratch and from a base
model that has never seen DSB2018, by the very lines that the dock trains with, and prints
by-image AP50 on the 50 images of the StarDist paper beside the published curves. What is
there already is not done again; ``--only`` and ``--steps`` make it short.

The base model is trained first (`base` in RUN) on phase contrast, SIMCEP cells and synthetic
scenes. The 50 images are reported here and choose nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.options import FineTuneOptions, SegmentOptions, TrainOptions
from napari_cellseg.core.training_item import TrainingItem, supply_of
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.base_sets import base_sets, benchmark_set
from napari_cellseg.io.dataset import Sample
from napari_cellseg.io.training_files import TrainingRequest, write_request
from napari_cellseg.nn.base_training import base_spec
from napari_cellseg.nn.evaluate import KindScore, evaluate, scores_by_kind
from napari_cellseg.nn.fine_tune import fine_tune
from napari_cellseg.nn.local import LocalSegmenter
from napari_cellseg.nn.training import fit
from napari_cellseg.nn.training_data import (
    load_training_images,
    read_sample,
    split_pieces,
    synthetic_training_images,
)
from napari_cellseg.nn.weights import save_model

#: By-image AP50 on the same 50 images, as published (CellSeg1, figure 4).
PUBLISHED = {
    "Cellpose fine-tuned": (0.603, 0.864, 0.873, 0.893),
    "Cellpose from scratch": (0.554, 0.818, 0.861, 0.892),
    "StarDist": (0.415, 0.802, 0.803, 0.875),
    "CellSeg1": (0.811, 0.858, 0.873, 0.877),
}
COUNTS = (1, 5, 10, 0)
ALL = 0
SCRATCH, BASE = "scratch", "base"
KIND = "grey_fluorescence"


@dataclass(frozen=True)
class Plan:
    """What is to be done, from the command line."""

    data: Path
    out: Path
    base_steps: int
    steps: int | None
    seed: int


def main(plan: Plan, starts: Sequence[str], counts: Sequence[int]) -> None:
    """Do what is asked for and print the table."""
    if BASE in starts:
        base = trained_base(plan)
        note(plan.out, "base as it is", 0, scored(plan, base))
    for start in starts:
        for count in counts:
            name = f"{start}-{count or 'all'}"
            if name not in noted(plan.out):
                model, seconds = trained(plan, start, count, plan.out / name)
                note(plan.out, name, seconds, scored(plan, model))
    print(table(plan.out, starts))


def trained_base(plan: Plan) -> Path:
    """Return the folder of a model that has never seen DSB2018."""
    folder = plan.out / "base"
    if (folder / "model" / "model.json").is_file():
        return folder / "model"
    options = TrainOptions(steps=plan.base_steps, seed=plan.seed)
    kept = [
        sample
        for sample in base_sets(plan.data).training
        if sample.kind in ("usiigaci_phase", "bbbc005")
    ]
    images = list(load_training_images(kept))
    images += synthetic_training_images(options.synthetic_images, plan.seed)
    job = fit(images, options, folder, torch.device("cpu"))
    network, _ = run(job, shown)
    save_model(folder / "model", network, base_spec("benchmarks/few_shot.py"))
    return folder / "model"


def trained(plan: Plan, start: str, count: int, folder: Path) -> tuple[Path, float]:
    """Return the folder of a model trained on some images, and the seconds it took."""
    items = items_of(chosen(plan, count))
    preset = "from_scratch" if start == SCRATCH else "thorough"
    share = 0.0 if start == SCRATCH else FineTuneOptions().replay_share
    options = FineTuneOptions(
        preset, steps=plan.steps, replay_share=share, seed=plan.seed
    )
    base = trained_base(plan)
    supply = supply_of(items)
    print(
        f"{folder.name}: {supply.n_images} images, {supply.n_cells} cells", flush=True
    )
    request = TrainingRequest(str(base), "auto", options, folder.name, folder.name)
    write_request(folder, request, items)
    began = time.perf_counter()
    outcome = run(fine_tune(folder), shown)
    print(outcome.reason, flush=True)
    return outcome.folder, time.perf_counter() - began


def chosen(plan: Plan, count: int) -> list[Sample]:
    """Return images to learn from, in an order that only names and seed decide."""
    pool = [
        sample
        for split in (base_sets(plan.data).training, base_sets(plan.data).validation)
        for sample in split
        if sample.kind == KIND
    ]

    def place(sample: Sample) -> bytes:
        return hashlib.sha256(f"{plan.seed}/{sample.name}".encode()).digest()

    pool.sort(key=place)
    return pool if count == ALL else pool[:count]


def items_of(samples: Sequence[Sample]) -> list[TrainingItem]:
    """Return samples as a person's work: everything in them is checked."""
    items = []
    for sample in samples:
        plane, labels = read_sample(sample)
        everywhere = np.ones(labels.shape, dtype=bool)
        items.append(
            TrainingItem(
                plane, split_pieces(labels), everywhere, sample.name, sample.group
            )
        )
    return items


def scored(plan: Plan, model: Path) -> KindScore:
    """Return the figures of a model on the 50 images, default preset."""
    segmenter = LocalSegmenter(model, "auto")

    def predict(plane: np.ndarray) -> np.ndarray:
        image = CellImage(plane, is_rgb=len(plane) == 3)
        return run(segmenter.segment(image, SegmentOptions())).labels

    return scores_by_kind(run(evaluate(predict, benchmark_set(plan.data))))[-1]


def note(out: Path, name: str, seconds: float, score: KindScore) -> None:
    """Keep a figure, so that it is not measured again."""
    values = noted(out)
    values[name] = {
        "ap50": score.ap[0.5],
        "msa": score.msa,
        "count_error": score.count_error,
        "seconds": seconds,
    }
    (out / "few_shot.json").write_text(json.dumps(values, indent=2) + "\n")
    print(f"{name}: AP50 {score.ap[0.5]:.3f}, mSA {score.msa:.3f}", flush=True)


def noted(out: Path) -> dict[str, dict[str, float]]:
    """Return the figures that are there."""
    path = out / "few_shot.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def table(out: Path, starts: Sequence[str]) -> str:
    """Return a Markdown table of ours and the published curves."""
    found = noted(out)
    lines = ["| trained on | 1 | 5 | 10 | all |", "| --- | --- | --- | --- | --- |"]
    for start in starts:
        cells = [found.get(f"{start}-{count or 'all'}") for count in COUNTS]
        shown_cells = [f"{cell['ap50']:.3f}" if cell else "" for cell in cells]
        lines.append(f"| ours, from {start} | {' | '.join(shown_cells)} |")
    for name, curve in PUBLISHED.items():
        lines.append(f"| {name} | {' | '.join(f'{ap:.3f}' for ap in curve)} |")
    return "\n".join(lines)


_last_shown = [0.0]


def shown(progress: Progress) -> None:
    """Print a line a minute."""
    if time.monotonic() - _last_shown[0] > 60:
        _last_shown[0] = time.monotonic()
        print(f"  {progress.done}/{progress.total} {progress.message}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--starts", nargs="*", default=[BASE, SCRATCH])
    parser.add_argument("--only", nargs="*", type=int, default=COUNTS, help="0: all")
    parser.add_argument("--base-steps", type=int, default=6000)
    parser.add_argument("--steps", type=int, help="of each training; else the preset's")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    main(
        Plan(given.data, given.out, given.base_steps, given.steps, given.seed),
        given.starts,
        given.only,
    )
