"""How good a model becomes with few images: ``python benchmarks/few_shot.py DATA --out RUN``.

Trains on a few images by the very lines that the dock trains with, and measures on images
that nothing was trained on nor chosen by. What is in RUN already is not done again, and a
training that was cut goes on, so it may be run in parts. Three challenges:

nuclei  1, 5, 10 and all fluorescence images of DSB2018, measured on the 50 images of the
        StarDist paper, beside the published curves. The base model has never seen DSB2018:
        it is made of phase contrast, simulated cells, electron microscopy and drawn scenes.
phase   a base model of glowing nuclei only meets phase contrast.
em      the model that ships meets electron microscopy, which it has never seen.

The base model is made first (``--base-only`` makes nothing else); the seed settles it. After
each training RUN/CHALLENGE holds ``figures.json``, ``table.md`` and ``curve.png``.

``--quick`` shows in minutes that all of it runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from few_shot_base import NUCLEI, make_base
from few_shot_report import (
    ALL,
    Figures,
    key_of,
    table,
    title_of,
    write_figure,
)
from napari_cellseg.core.jobs import run
from napari_cellseg.core.train_options import FineTuneOptions, TrainOptions
from napari_cellseg.core.training.item import TrainingItem, supply_of
from napari_cellseg.io.datasets.base_sets import base_sets, benchmark_set
from napari_cellseg.io.datasets.dataset import Sample, pairs_in_folder
from napari_cellseg.io.datasets.samples import read_sample, split_pieces
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.io.models.training_files import (
    TrainingRequest,
    read_outcome,
    write_request,
)
from napari_cellseg.nn.fine_tuning.fine_tune import fine_tune
from plays import model_score, say_now_and_then

SCRATCH, BASE = "from scratch", "from the base model"
#: Of the ten EM images every third one is kept for measuring.
EM_TEST_EVERY = 3


@dataclass(frozen=True)
class Challenge:
    """What is learned, and what is known before.

    Attributes
    ----------
    pool, test : list of Sample
        What the images to learn from are taken of; what is measured on.
    base : list of Sample
        What the base model is trained on; empty takes the model that ships.
    has_all_scenes : bool
        Whether drawn scenes of all kinds are among them, or of glowing nuclei only.
    counts : tuple of int
        How many images are learned from; `ALL` is all.
    """

    pool: list[Sample]
    test: list[Sample]
    base: list[Sample] = field(default_factory=list)
    has_all_scenes: bool = False
    counts: tuple[int, ...] = (1, 2, 4)


@dataclass(frozen=True)
class Plan:
    """What is to be done, from the command line."""

    name: str
    challenge: Challenge
    out: Path
    base: TrainOptions
    fine: FineTuneOptions
    draws: int = 1


def challenge_of(name: str, data: Path) -> Challenge:
    """Return a challenge with its images."""
    sets = base_sets(data)
    phase, simulated = "usiigaci_phase", "bbbc005"
    if name == "nuclei":
        both = (*sets.training, *sets.validation)
        pool = [sample for sample in both if sample.kind == NUCLEI]
        base = [sample for sample in both if sample.kind in (phase, simulated)]
        base += pairs_in_folder(data / "isbi2012_em", "isbi2012_em")
        counts = (1, 5, 10, ALL)
        return Challenge(pool, benchmark_set(data), base, True, counts)
    if name == "phase":
        pool = [sample for sample in sets.training if sample.kind == phase]
        test = [sample for sample in sets.validation if sample.kind == phase]
        base = [s for s in sets.training if s.kind in (NUCLEI, simulated)]
        return Challenge(pool, test, base)
    samples = pairs_in_folder(data / "isbi2012_em")
    test = samples[::EM_TEST_EVERY]
    return Challenge([sample for sample in samples if sample not in test], test)


def main(plan: Plan, starts: Sequence[str], counts: Sequence[int]) -> None:
    """Do what is asked for, and write table and figure after each part."""
    base = base_model(plan)
    if "0" not in noted(plan):
        note(plan, "0", {"cells": 0, "steps": 0, "seconds": 0.0}, base)
    for count in counts:
        for start in starts:
            for draw in range(plan.draws if count == 1 else 1):
                name = key_of(start, count, draw)
                if name not in noted(plan):
                    model, values = trained(plan, start, count, draw, base)
                    note(plan, name, values, model)
                    report(plan, starts)
    print(report(plan, starts))


def report(plan: Plan, starts: Sequence[str]) -> str:
    """Write table and figure of what is there, and return the table."""
    counts, found = plan.challenge.counts, noted(plan)
    is_nuclei = plan.name == "nuclei"
    title = f"{plan.name}, {len(plan.challenge.test)} images"
    text = table(title, found, starts, counts, has_published=is_nuclei)
    (plan.out / "table.md").write_text(text + "\n", encoding="utf-8")
    picture = plan.out / "curve.png"
    write_figure(picture, found, starts, counts, has_published=is_nuclei)
    return text


def base_model(plan: Plan) -> Path:
    """Return the folder of a model that has not seen what is to be learned."""
    challenge = plan.challenge
    if not challenge.base:
        return find_model(None)
    folder = plan.out / "base"
    only_nuclei = not challenge.has_all_scenes
    return make_base(challenge.base, plan.base, folder, only_nuclei=only_nuclei)


def trained(
    plan: Plan, start: str, count: int, draw: int, base: Path
) -> tuple[Path, Figures]:
    """Return the folder of a model trained on some images, and what it took."""
    options = plan.fine
    if start == SCRATCH:
        options = replace(options, preset="from_scratch", replay_share=0.0)
    items = items_of(chosen(plan, count, draw))
    name = f"{start}-{title_of(count)}-{draw}-{options.preset}".replace(" ", "-")
    folder = plan.out / name
    supply = supply_of(items)
    print(f"{name}: {supply.n_images} images, {supply.n_cells} cells", flush=True)
    request = TrainingRequest(str(base), "auto", options, name, name)
    write_request(folder, request, items)
    began = time.monotonic()
    outcome = read_outcome(folder) or run(fine_tune(folder), say_now_and_then)
    # Of a training that was cut and went on, the last part is not all of it.
    seconds = max(time.monotonic() - began, outcome.seconds)
    print(outcome.reason, flush=True)
    values = {"cells": supply.n_cells, "steps": outcome.n_steps, "seconds": seconds}
    return outcome.folder, values


def chosen(plan: Plan, count: int, draw: int) -> list[Sample]:
    """Return images to learn from; names and the number of the draw alone decide.

    The first of five are those of one: a curve adds images, and never changes them.
    """

    def place(sample: Sample) -> bytes:
        return hashlib.sha256(f"{draw}/{sample.name}".encode()).digest()

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


def note(plan: Plan, name: str, values: Figures, model: Path) -> None:
    """Measure a model and keep the figures, so that it is not done again."""
    score = model_score(model, plan.challenge.test)
    known = noted(plan)
    known[name] = {**values, "ap50": score.ap[0.5], "msa": score.msa}
    (plan.out / "figures.json").write_text(json.dumps(known, indent=2) + "\n")
    print(f"{name}: AP50 {score.ap[0.5]:.3f}, mSA {score.msa:.3f}", flush=True)


def noted(plan: Plan) -> dict[str, Figures]:
    """Return the figures that are there."""
    path = plan.out / "figures.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def plan_from(given: argparse.Namespace) -> Plan:
    """Return the plan that the command line asks for."""
    challenge = challenge_of(given.challenge, given.data)
    base = TrainOptions(
        steps=given.base_steps,
        batch_size=4,
        learning_rate=1.5e-3,
        warmup_steps=given.base_steps // 10,
        average=0.995,
        synthetic_images=given.base_scenes,
        checkpoint_every=100,
        seed=given.seed,
    )
    fine = FineTuneOptions(given.preset, steps=given.steps, seed=given.seed)
    if given.quick:
        challenge = replace(challenge, test=challenge.test[:3], counts=(1,))
        base = replace(base, steps=20, warmup_steps=1, synthetic_images=8)
        fine = FineTuneOptions(given.preset, steps=12, batch_size=2, seed=given.seed)
    out = given.out / given.challenge
    return Plan(given.challenge, challenge, out, base, fine, given.draws)


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
    parser.add_argument("--base-steps", type=int, default=2000)
    parser.add_argument("--base-scenes", type=int, default=240, help="drawn for it")
    parser.add_argument("--base-only", action="store_true", help="make the base model")
    parser.add_argument("--steps", type=int, help="of each training; else the preset's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=3, help="of a single image")
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    given = parser.parse_args()
    plan = plan_from(given)
    plan.out.mkdir(parents=True, exist_ok=True)
    if given.base_only:
        print(base_model(plan))
    else:
        main(plan, given.starts, given.only or plan.challenge.counts)
