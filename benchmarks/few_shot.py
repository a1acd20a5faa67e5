"""How good a model becomes with few images: ``python benchmarks/few_shot.py DATA --out RUN``.

Trains on a few images by the very lines that the dock trains with, and measures on images
that nothing was trained on nor chosen by. What is in RUN already is not done again, and a
training that was cut goes on, so it may be run in parts. Three challenges:

nuclei  1, 5, 10 and all fluorescence images of DSB2018, measured on the 50 images of the
        StarDist paper, beside the published curves; the base model has never seen DSB2018.
phase   a base model of fluorescence only meets phase contrast.
em      the model that ships meets electron microscopy, which it has never seen.

``--quick`` shows in minutes that all of it runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import FineTuneOptions, TrainOptions
from napari_cellseg.core.training_item import TrainingItem, supply_of
from napari_cellseg.io.base_sets import base_sets, benchmark_set
from napari_cellseg.io.dataset import Sample, pairs_in_folder
from napari_cellseg.io.model_folder import find_model
from napari_cellseg.io.samples import read_sample, split_pieces
from napari_cellseg.io.training_files import (
    TrainingRequest,
    read_outcome,
    write_request,
)
from napari_cellseg.nn.base_training import base_spec
from napari_cellseg.nn.device import choose_device
from napari_cellseg.nn.fine_tune import fine_tune
from napari_cellseg.nn.training import fit
from napari_cellseg.nn.training_data import (
    load_training_images,
    synthetic_training_images,
)
from napari_cellseg.nn.weights import save_model
from plays import model_score, say_now_and_then

#: By-image AP50 on the same 50 images, as published (CellSeg1, figure 4).
PUBLISHED = {
    "Cellpose fine-tuned": (0.603, 0.864, 0.873, 0.893),
    "Cellpose from scratch": (0.554, 0.818, 0.861, 0.892),
    "StarDist": (0.415, 0.802, 0.803, 0.875),
    "CellSeg1": (0.811, 0.858, 0.873, 0.877),
}
ALL = 0
SCRATCH, BASE = "from scratch", "from the base model"
NUCLEI = "grey_fluorescence"
#: Of the ten EM images every third one is kept for measuring.
EM_TEST_EVERY = 3


@dataclass(frozen=True)
class Challenge:
    """What is learned, and what is known before.

    Attributes
    ----------
    pool, test : list of Sample
        What the images to learn from are taken of; what is measured on.
    base_kinds : tuple of str
        Kinds that the base model is trained on; empty takes the model that ships.
    has_synthetic : bool
        Whether synthetic scenes, of many kinds, are among them.
    counts : tuple of int
        How many images are learned from; `ALL` is all.
    """

    pool: list[Sample]
    test: list[Sample]
    base_kinds: tuple[str, ...] = ()
    has_synthetic: bool = False
    counts: tuple[int, ...] = (1, 2, 4)


@dataclass(frozen=True)
class Plan:
    """What is to be done, from the command line."""

    name: str
    challenge: Challenge
    out: Path
    base: TrainOptions
    fine: FineTuneOptions


def challenge_of(name: str, data: Path) -> Challenge:
    """Return a challenge with its images."""
    sets = base_sets(data)
    if name == "nuclei":
        both = (*sets.training, *sets.validation)
        pool = [sample for sample in both if sample.kind == NUCLEI]
        kinds = ("usiigaci_phase", "bbbc005")
        return Challenge(
            pool, benchmark_set(data), kinds, has_synthetic=True, counts=(1, 5, 10, ALL)
        )
    if name == "phase":
        kind = "usiigaci_phase"
        pool = [sample for sample in sets.training if sample.kind == kind]
        test = [sample for sample in sets.validation if sample.kind == kind]
        return Challenge(pool, test, (NUCLEI, "bbbc005"))
    samples = pairs_in_folder(data / "isbi2012_em")
    test = samples[::EM_TEST_EVERY]
    return Challenge([sample for sample in samples if sample not in test], test)


def main(plan: Plan, starts: Sequence[str], counts: Sequence[int]) -> None:
    """Do what is asked for and print the table."""
    base = base_model(plan)
    if "0" not in noted(plan):
        note(plan, "0", {"cells": 0, "seconds": 0.0}, base)
    for start in starts:
        for count in counts:
            name = f"{start}, {title_of(count)}"
            if name not in noted(plan):
                model, values = trained(plan, start, count, base)
                note(plan, name, values, model)
    print(table(plan, starts))


def base_model(plan: Plan) -> Path:
    """Return the folder of a model that has not seen what is to be learned."""
    challenge = plan.challenge
    if not challenge.base_kinds:
        return find_model(None)
    folder = plan.out / "base"
    if (folder / "model" / "model.json").is_file():
        return folder / "model"
    kept = [
        sample
        for sample in base_sets(data_of(plan)).training
        if sample.kind in challenge.base_kinds
    ]
    images = list(load_training_images(kept))
    if challenge.has_synthetic:
        images += synthetic_training_images(plan.base.synthetic_images, plan.base.seed)
    job = fit(images, plan.base, folder, choose_device())
    network, _ = run(job, say_now_and_then)
    save_model(folder / "model", network.to("cpu"), base_spec("benchmarks/few_shot.py"))
    return folder / "model"


def data_of(plan: Plan) -> Path:
    """Return the folder of all sets: two above an image's own."""
    return plan.challenge.pool[0].image_path.parents[2]


def trained(
    plan: Plan, start: str, count: int, base: Path
) -> tuple[Path, dict[str, float]]:
    """Return the folder of a model trained on some images, and what it took."""
    options = plan.fine
    if start == SCRATCH:
        options = FineTuneOptions(
            "from_scratch", steps=options.steps, replay_share=0.0, seed=options.seed
        )
    items = items_of(chosen(plan, count))
    folder = plan.out / f"{start}-{title_of(count)}-{options.preset}".replace(" ", "-")
    supply = supply_of(items)
    print(
        f"{folder.name}: {supply.n_images} images, {supply.n_cells} cells", flush=True
    )
    request = TrainingRequest(str(base), "auto", options, folder.name, folder.name)
    write_request(folder, request, items)
    outcome = read_outcome(folder) or run(fine_tune(folder), say_now_and_then)
    print(outcome.reason, flush=True)
    return outcome.folder, {"cells": supply.n_cells, "seconds": outcome.seconds}


def chosen(plan: Plan, count: int) -> list[Sample]:
    """Return images to learn from, in an order that only names and seed decide."""

    def place(sample: Sample) -> bytes:
        return hashlib.sha256(f"{plan.fine.seed}/{sample.name}".encode()).digest()

    pool = sorted(plan.challenge.pool, key=place)
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


def title_of(count: int) -> str:
    """Return a number of images in words."""
    return "all" if count == ALL else str(count)


def note(plan: Plan, name: str, values: dict[str, float], model: Path) -> None:
    """Measure a model and keep the figures, so that it is not done again."""
    score = model_score(model, plan.challenge.test)
    known = noted(plan)
    known[name] = {**values, "ap50": score.ap[0.5], "msa": score.msa}
    (plan.out / "figures.json").write_text(json.dumps(known, indent=2) + "\n")
    print(f"{name}: AP50 {score.ap[0.5]:.3f}, mSA {score.msa:.3f}", flush=True)


def noted(plan: Plan) -> dict[str, dict[str, float]]:
    """Return the figures that are there."""
    path = plan.out / "figures.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def table(plan: Plan, starts: Sequence[str]) -> str:
    """Return Markdown tables of AP50 and of what it took, by number of images."""
    found, counts = noted(plan), plan.challenge.counts
    heads = [title_of(count) for count in counts]
    lines = [
        f"{plan.name}: by-image AP50 on {len(plan.challenge.test)} images "
        f"(base model as it is: {found['0']['ap50']:.3f})",
        f"| trained on | {' | '.join(heads)} |",
        f"| --- |{' --- |' * len(heads)}",
    ]
    for start in starts:
        rows = [found.get(f"{start}, {head}") for head in heads]
        for title, text in (
            (f"ours, {start}", "{ap50:.3f}"),
            ("- cells learned from", "{cells}"),
            ("- minutes", "{minutes:.1f}"),
        ):
            cells = [
                text.format(**row, minutes=row["seconds"] / 60) if row else ""
                for row in rows
            ]
            lines.append(f"| {title} | {' | '.join(cells)} |")
    if plan.name == "nuclei":
        for name, curve in PUBLISHED.items():
            lines.append(f"| {name} | {' | '.join(f'{ap:.3f}' for ap in curve)} |")
    return "\n".join(lines)


def plan_from(given: argparse.Namespace) -> Plan:
    """Return the plan that the command line asks for."""
    challenge = challenge_of(given.challenge, given.data)
    base = TrainOptions(
        steps=given.base_steps,
        warmup_steps=min(400, given.base_steps // 10),
        seed=given.seed,
    )
    fine = FineTuneOptions(given.preset, steps=given.steps, seed=given.seed)
    if given.quick:
        test = challenge.test[:3]
        kinds, has_more = challenge.base_kinds, challenge.has_synthetic
        challenge = Challenge(challenge.pool, test, kinds, has_more, counts=(1,))
        base = TrainOptions(steps=20, batch_size=2, warmup_steps=1, synthetic_images=8)
        fine = FineTuneOptions(given.preset, steps=12, batch_size=2, seed=given.seed)
    return Plan(given.challenge, challenge, given.out / given.challenge, base, fine)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--challenge", choices=["nuclei", "phase", "em"], default="nuclei"
    )
    parser.add_argument("--starts", nargs="*", default=[BASE, SCRATCH])
    parser.add_argument("--only", nargs="*", type=int, help="numbers of images; 0: all")
    parser.add_argument("--preset", choices=["quick", "thorough"], default="thorough")
    parser.add_argument("--base-steps", type=int, default=6000)
    parser.add_argument("--steps", type=int, help="of each training; else the preset's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    plan = plan_from(parser.parse_args())
    plan.out.mkdir(parents=True, exist_ok=True)
    given = parser.parse_args()
    main(plan, given.starts, given.only or plan.challenge.counts)
