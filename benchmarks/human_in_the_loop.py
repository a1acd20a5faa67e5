"""Does the review queue save work? ``python benchmarks/human_in_the_loop.py DATA --out RUN``.

Plays the person: a model segments images of a kind that it does not know; the person looks
at a number of cells and sets each right from the truth, checks an area, trains as the dock
does, segments anew with what is now the model, and goes on. Once the cells are taken in the
order of the review queue, once at random; the areas lie where chance puts them, the same for
both. After each round the model is measured (AP50) on images that nobody works on.

What is counted are cells looked at: each costs a look and a key, right or wrong. Of those,
the ones that had to be changed are listed as well; a queue that works meets more of them.
Every draw has images, areas and a seed of its own, and both orders share them, so draws are
compared in pairs. A curve is made monotone (the best model so far is the one that is used)
before the looks for an AP50 are read off it.

`review_order.py` asks the same of the labels themselves, without training and on many more
images. What is in RUN already is not done again. ``--quick`` shows in minutes that all of it
runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from few_shot import challenge_of
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.io.models.training_files import (
    TrainingRequest,
    read_outcome,
    write_request,
)
from napari_cellseg.nn.fine_tuning.fine_tune import fine_tune
from napari_cellseg.nn.inference.local import LocalSegmenter
from plays import model_score, say_now_and_then
from review_desk import QUEUE, RANDOM, Desk, by_name, desk_of, order_of

ORDERS = (QUEUE, RANDOM)
LOOKED_AT, CHANGED, AP50 = "looked at", "changed", "ap50"
#: One round: cells looked at and changed in all, seconds of training in all, ap50.
Step = dict[str, float]
#: The orders are compared at so many AP50, from the model as it is to what both reach.
N_GOALS = 5
#: Edge of the area that is checked in each round.
AREA_PX = 96


@dataclass(frozen=True)
class Plan:
    """What is to be done, from the command line."""

    pool: list[Sample]
    test: list[Sample]
    model: Path
    out: Path
    images: int
    rounds: int
    cells: int
    options: FineTuneOptions


def play(plan: Plan, draw: int, order: str) -> list[Step]:
    """Return what each round came to; the first is the model as it is."""
    path = plan.out / f"{draw}-{order}.json"
    steps: list[Step] = json.loads(path.read_text()) if path.is_file() else []
    if len(steps) > plan.rounds:
        return steps
    desks = [desk_of(sample) for sample in by_name(plan.pool, draw)[: plan.images]]
    model, looked_at, changed, seconds = plan.model, 0, 0, 0.0
    steps = []
    for number in range(plan.rounds + 1):
        folder = plan.out / f"{draw}-{order}-{number}"
        if number:
            # Where the areas lie depends on draw and round, not on the order.
            rng = np.random.default_rng((plan.options.seed, draw, number))
            seen, wrong = work(plan, desks, model, order, rng)
            looked_at, changed = looked_at + seen, changed + wrong
            model, took = trained(plan, draw, desks, folder)
            seconds += took
        score = scored(plan, model, folder)
        steps.append(
            {LOOKED_AT: looked_at, CHANGED: changed, "seconds": seconds, AP50: score}
        )
        print(f"{draw} {order}: {looked_at} looked at, AP50 {score:.3f}", flush=True)
    path.write_text(json.dumps(steps))
    return steps


def work(
    plan: Plan, desks: list[Desk], model: Path, order: str, rng: np.random.Generator
) -> tuple[int, int]:
    """Set some cells right and check an area; return how many were seen, and wrong.

    The looks of a round go to the images in turn, as one goes through a folder.
    """
    segmenter = LocalSegmenter(model, "auto")
    for desk in desks:
        desk.take(run(segmenter.segment(desk.image, SegmentOptions())))
    place = int(rng.integers(len(desks)))
    size = desks[place].truth.shape
    middle = tuple(int(rng.integers(n)) for n in size)
    n_seen = n_wrong = 0
    each = -(-plan.cells // len(desks))
    for desk in desks:
        looks = 0
        for cell in order_of(desk, order, rng):
            if looks == min(each, plan.cells - n_seen):
                break
            if cell not in desk.locked and (desk.labels == cell).any():
                n_wrong += desk.set_right(cell)
                looks, n_seen = looks + 1, n_seen + 1
    in_area, wrong = desks[place].check_area((middle[0], middle[1]), AREA_PX)
    return n_seen + in_area, n_wrong + wrong


def trained(
    plan: Plan, draw: int, desks: list[Desk], folder: Path
) -> tuple[Path, float]:
    """Return a model trained on all that was set right, and the seconds that it took.

    It begins with the first model each time, so that a round is worth what was corrected,
    not how often was trained.
    """
    items = [item for desk in desks for item in desk.items()]
    options = replace(plan.options, seed=plan.options.seed + draw)
    request = TrainingRequest(
        str(plan.model), "auto", options, folder.name, folder.name
    )
    write_request(folder, request, items)
    began = time.monotonic()
    outcome = read_outcome(folder) or run(fine_tune(folder), say_now_and_then)
    print(f"{outcome.reason} ({time.monotonic() - began:.0f} s)", flush=True)
    return outcome.folder, outcome.seconds


def scored(plan: Plan, model: Path, folder: Path) -> float:
    """Return AP50 on the test images, measured once; that of the first model for all."""
    path = plan.out / "first.json" if model == plan.model else folder / "score.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({AP50: model_score(model, plan.test).ap[0.5]}))
    return float(json.loads(path.read_text())[AP50])


def table(found: dict[int, dict[str, list[Step]]]) -> str:
    """Return a Markdown table of the mean of the draws, and what the queue saves."""
    lines = [
        "| order | round | looked at | changed | minutes of training | AP50 (sd) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for order in ORDERS:
        rounds = zip(*(orders[order] for orders in found.values()), strict=True)
        for number, steps in enumerate(rounds):
            seen, changed, seconds, scores = (
                np.array([step[name] for step in steps])
                for name in (LOOKED_AT, CHANGED, "seconds", AP50)
            )
            lines.append(
                f"| {order} | {number} | {seen.mean():.0f} | {changed.mean():.0f} | "
                f"{seconds.mean() / 60:.1f} | {scores.mean():.3f} ({scores.std():.3f}) |"
            )
    return "\n".join([*lines, "", savings(found)])


def savings(found: dict[int, dict[str, list[Step]]]) -> str:
    """Say which share of the random order's looks the queue needs for the same AP50."""
    both = {
        order: mean_curve([orders[order] for orders in found.values()])
        for order in ORDERS
    }
    ends = ", ".join(
        f"{orders[QUEUE][-1][AP50] - orders[RANDOM][-1][AP50]:+.3f}"
        for orders in found.values()
    )
    last = f"After the last round AP50 of queue less random, draw by draw: {ends}."
    goals = shared_goals(both)
    if not goals:
        return f"One of the orders never made the model better. {last}"
    words = []
    for name in (LOOKED_AT, CHANGED):
        needed = {
            order: [cells_for(steps, goal, name) for goal in goals]
            for order, steps in both.items()
        }
        share = sum(needed[QUEUE]) / max(sum(needed[RANDOM]), 1.0)
        words.append(f"{share:.0%} of the cells {name}")
    return (
        f"For the same AP50 ({N_GOALS} goals up to {goals[-1]:.3f}, mean of "
        f"{len(found)} draws) the order of the queue needs {' and '.join(words)} at "
        f"random (at most 70 % is wanted). {last}"
    )


def mean_curve(draws: list[list[Step]]) -> list[Step]:
    """Return the mean of the draws, each with the best model so far."""
    curve = []
    for number in range(min(len(steps) for steps in draws)):
        at = [steps[number] for steps in draws]
        step = {name: float(np.mean([s[name] for s in at])) for name in at[0]}
        best = [max(s[AP50] for s in steps[: number + 1]) for steps in draws]
        curve.append({**step, AP50: float(np.mean(best))})
    return curve


def shared_goals(both: dict[str, list[Step]]) -> list[float]:
    """Return AP50 that both orders reach, above that of the model as it is."""
    start = max(steps[0][AP50] for steps in both.values())
    best = min(steps[-1][AP50] for steps in both.values())
    if best <= start:
        return []
    return [float(goal) for goal in np.linspace(start, best, N_GOALS + 1)[1:]]


def cells_for(steps: list[Step], goal: float, name: str) -> float:
    """Return the cells for an AP50 that is reached, on the line between rounds."""
    for before, after in itertools.pairwise(steps):
        if after[AP50] >= goal - 1e-9 > before[AP50]:
            share = (goal - before[AP50]) / (after[AP50] - before[AP50])
            return before[name] + share * (after[name] - before[name])
    return 0.0  # the model as it is was that good


def write_figure(path: Path, found: dict[int, dict[str, list[Step]]]) -> None:
    """Draw AP50 against cells looked at, and against cells changed; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for place, name in zip(axes, (LOOKED_AT, CHANGED), strict=True):
        for order, colour in zip(ORDERS, ("#0072b2", "#d55e00"), strict=True):
            draws = [orders[order] for orders in found.values()]
            for steps in draws:
                x, y = [s[name] for s in steps], [s[AP50] for s in steps]
                place.plot(x, y, "-", color=colour, alpha=0.25, linewidth=1)
            x = np.mean([[s[name] for s in steps] for steps in draws], axis=0)
            y = np.mean([[s[AP50] for s in steps] for steps in draws], axis=0)
            place.plot(x, y, "o-", color=colour, label=f"{order}, mean")
        place.set_xlabel(f"cells {name}")
    axes[0].set_ylabel("by-image AP50 on other images")
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main(plan: Plan, n_draws: int) -> None:
    """Play both orders for each draw; write table and figure after each, print the table."""
    plan.out.mkdir(parents=True, exist_ok=True)
    found: dict[int, dict[str, list[Step]]] = {}
    for draw in range(n_draws):
        found[draw] = {order: play(plan, draw, order) for order in ORDERS}
        text = table(found)
        (plan.out / "table.md").write_text(text + "\n", encoding="utf-8")
        write_figure(plan.out / "curve.png", found)
    print(text)


def plan_from(given: argparse.Namespace) -> Plan:
    """Return the plan that the command line asks for."""
    challenge = challenge_of(given.challenge, given.data)
    pool, test = challenge.pool, by_name(challenge.test)[: given.test]
    options = FineTuneOptions(steps=given.steps, seed=given.seed)
    images, rounds, cells = given.images, given.rounds, given.cells
    if given.quick:
        options = FineTuneOptions(steps=4, batch_size=2, crop_px=128, seed=given.seed)
        images, rounds, cells, test = 2, 2, 6, test[:2]
    out = given.out / given.challenge
    return Plan(
        pool, test, find_model(given.model), out, images, rounds, cells, options
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--challenge", choices=["nuclei", "phase", "em"], default="nuclei"
    )
    parser.add_argument("--model", help="name or folder; else the one that ships")
    parser.add_argument("--images", type=int, default=4, help="that are worked on")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=20, help="looked at in a round")
    parser.add_argument("--steps", type=int, help="of each training; else the preset's")
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--test", type=int, default=25, help="images to measure on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    given = parser.parse_args()
    main(plan_from(given), 1 if given.quick else given.draws)
