"""Does the review queue save work? ``python benchmarks/human_in_the_loop.py DATA --out RUN``.

Plays the person: the model that ships (or ``--model``) segments images of a kind that it
does not know, the person sets a number of cells right from the truth, checks an area, trains
as the dock does, and begins again with the new model. Once the cells are taken in the order
of the review queue, once at random. Printed and drawn is AP50 on images that nobody works
on, against the cells that were corrected, and the share of the corrections that the queue
needs for the same AP50. What is in RUN already is not done again.

``--quick`` shows in minutes that all of it runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from few_shot import challenge_of
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import FineTuneOptions, SegmentOptions
from napari_cellseg.core.review import doubts
from napari_cellseg.core.training_item import TrainingItem, known_around
from napari_cellseg.core.types import CellImage
from napari_cellseg.io.dataset import Sample
from napari_cellseg.io.model_folder import find_model
from napari_cellseg.io.samples import read_sample, split_pieces
from napari_cellseg.io.training_files import (
    TrainingRequest,
    read_outcome,
    write_request,
)
from napari_cellseg.nn.fine_tune import fine_tune
from napari_cellseg.nn.local import LocalSegmenter
from plays import model_score, say_now_and_then

QUEUE, RANDOM = "queue", "random"
#: One round: corrected and looked at in all, seconds of training in all, ap50.
Step = dict[str, float]
#: The orders are compared at so many AP50, from the model as it is to what both reach.
N_GOALS = 5
#: A cell of the model that overlaps the true one so much (IoU) is accepted as it is.
GOOD_IOU = 0.75
#: Edge of the area that is checked in each round, around the first cell of the round.
AREA_PX = 96


@dataclass
class Desk:
    """An image that the person works on.

    Attributes
    ----------
    sample : Sample
        Where it is from.
    plane, truth : arrays
        Its pixels and its true cells.
    known : (y, x) bool array
        What the person has set right so far.
    seen : set of int
        True cells that the person has set right or accepted.
    """

    sample: Sample
    plane: NDArray[np.generic]
    truth: NDArray[np.int32]
    known: NDArray[np.bool_] = field(init=False)
    seen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known = np.zeros(self.truth.shape, dtype=bool)

    def review(self, cell: NDArray[np.bool_]) -> int | None:
        """Set one cell of the model right; return 1 if it was wrong, None if known."""
        counts = np.bincount(self.truth[cell], minlength=1)
        counts[0] = 0
        true_id = int(counts.argmax()) if counts.any() else 0
        if true_id == 0:
            is_new = bool((cell & ~self.known).any())
            self.known |= cell & (self.truth == 0)
            return 1 if is_new else None
        if true_id in self.seen:
            return None
        self.seen.add(true_id)
        self.known |= known_around(self.truth, {true_id})
        overlap = counts[true_id]
        union = cell.sum() + (self.truth == true_id).sum() - overlap
        return int(overlap / union < GOOD_IOU)

    def check_area(self, middle_yx: tuple[int, int], labels: NDArray[np.int32]) -> int:
        """Set right all cells in an area; return how many were wrong."""
        box = tuple(
            slice(max(0, place - AREA_PX // 2), place + AREA_PX // 2)
            for place in middle_yx
        )
        n_wrong = 0
        for cell in np.unique(labels[box]):
            n_wrong += (cell > 0 and self.review(labels == cell)) or 0
        missed = set(np.unique(self.truth[box]).tolist()) - self.seen - {0}
        for true_id in missed:
            self.known |= known_around(self.truth, {true_id})
        self.seen |= missed
        self.known[box] = True
        return n_wrong + len(missed)

    def item(self) -> TrainingItem:
        """Return what can be learned from it."""
        name, group = self.sample.name, self.sample.group
        return TrainingItem(self.plane, self.truth, self.known, name, group)


@dataclass(frozen=True)
class Plan:
    """What is to be done, from the command line."""

    desks: list[Sample]
    test: list[Sample]
    model: Path
    out: Path
    rounds: int
    cells: int
    options: FineTuneOptions


def play(plan: Plan, order: str) -> list[Step]:
    """Return corrected cells and AP50 after each round; the first is the model as it is."""
    desks = [desk_of(sample) for sample in plan.desks]
    model, corrected, looked_at, seconds = plan.model, 0, 0, 0.0
    steps: list[Step] = []
    for number in range(plan.rounds + 1):
        folder = plan.out / f"{order}-{number}"
        if number:
            wrong, looked = work(plan, desks, model, order, number)
            corrected, looked_at = corrected + wrong, looked_at + looked
            model, took = trained(plan, desks, folder)
            seconds += took
        folder.mkdir(parents=True, exist_ok=True)
        score = kept_score(folder, model, plan.test)
        steps.append(
            {
                "corrected": corrected,
                "looked at": looked_at,
                "seconds": seconds,
                "ap50": score,
            }
        )
        print(f"{order}: {corrected} corrected cells, AP50 {score:.3f}", flush=True)
    return steps


def desk_of(sample: Sample) -> Desk:
    """Return an image nobody has worked on."""
    plane, labels = read_sample(sample)
    return Desk(sample, plane, split_pieces(labels))


def work(
    plan: Plan, desks: list[Desk], model: Path, order: str, number: int
) -> tuple[int, int]:
    """Set some cells right and check an area; return how many were wrong, and seen."""
    segmenter = LocalSegmenter(model, "auto")
    queue: list[tuple[float, int, int]] = []
    all_labels = []
    rng = np.random.default_rng((plan.options.seed, number))
    for place, desk in enumerate(desks):
        image = CellImage(desk.plane, is_rgb=len(desk.plane) == 3)
        result = run(segmenter.segment(image, SegmentOptions()))
        all_labels.append(result.labels)
        doubt = doubt_of(result.labels, result.confidence)
        chance = pd.Series(rng.random(len(doubt)), index=doubt.index)
        ranked = doubt if order == QUEUE else chance
        queue += [(-value, place, int(cell)) for cell, value in ranked.items()]
    n_wrong, n_seen, first = 0, 0, None
    for _, place, cell in sorted(queue):
        if n_seen == plan.cells:
            break
        found = all_labels[place] == cell
        is_wrong = desks[place].review(found)
        if is_wrong is None:
            continue
        n_wrong, n_seen = n_wrong + is_wrong, n_seen + 1
        first = first or (place, tuple(np.argwhere(found).mean(0).astype(int).tolist()))
    if first is not None:
        place, middle = first
        n_missed = desks[place].check_area(middle, all_labels[place])
        n_wrong, n_seen = n_wrong + n_missed, n_seen + n_missed
    return n_wrong, n_seen


def doubt_of(labels: NDArray[np.int32], confidence: NDArray[np.float32]) -> pd.Series:
    """Return the doubt of each cell, as the review queue has it."""
    cells = pd.DataFrame(
        regionprops_table(labels, properties=("label", "area", "solidity"))
    ).rename(columns={"area": "area_px"})
    return doubts(cells, {i + 1: float(value) for i, value in enumerate(confidence)})


def trained(plan: Plan, desks: list[Desk], folder: Path) -> tuple[Path, float]:
    """Return a model trained on all that was set right, and the seconds that it took.

    It begins with the first model each time, so that a round is worth what was corrected,
    not how often was trained.
    """
    items = [desk.item() for desk in desks if desk.known.any()]
    request = TrainingRequest(
        str(plan.model), "auto", plan.options, folder.name, folder.name
    )
    write_request(folder, request, items)
    outcome = read_outcome(folder) or run(fine_tune(folder), say_now_and_then)
    print(outcome.reason, flush=True)
    return outcome.folder, outcome.seconds


def kept_score(folder: Path, model: Path, test: list[Sample]) -> float:
    """Return AP50 on the test images, measured once."""
    path = folder / "score.json"
    if not path.is_file():
        path.write_text(json.dumps({"ap50": model_score(model, test).ap[0.5]}))
    return float(json.loads(path.read_text())["ap50"])


def table(found: dict[str, list[Step]]) -> str:
    """Return a Markdown table of both orders, and what the queue saves."""
    lines = [
        "| order | round | looked at | corrected | minutes of training | AP50 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for order, steps in found.items():
        for number, step in enumerate(steps):
            lines.append(
                f"| {order} | {number} | {step['looked at']} | {step['corrected']} | "
                f"{step['seconds'] / 60:.1f} | {step['ap50']:.3f} |"
            )
    return "\n".join([*lines, "", savings(found)])


def savings(found: dict[str, list[Step]]) -> str:
    """Say which share of the random order's corrections the queue needs for the same AP50."""
    goals = shared_goals(found)
    if not goals:
        return "Neither order made the model better than it was: nothing to compare."
    shares = []
    for goal in goals:
        needed = {order: corrections_for(steps, goal) for order, steps in found.items()}
        shares.append(needed[QUEUE] / max(needed[RANDOM], 1.0))
    return (
        f"For AP50 {goals[-1]:.3f} the order of the queue needs {shares[-1]:.0%} of the "
        f"corrections of the random order; {np.mean(shares):.0%} in the mean over "
        f"{len(goals)} goals from {goals[0]:.3f} on (at most 70 % is wanted)."
    )


def shared_goals(found: dict[str, list[Step]]) -> list[float]:
    """Return AP50 that both orders reach, above that of the model as it is."""
    start = max(steps[0]["ap50"] for steps in found.values())
    best = min(max(step["ap50"] for step in steps) for steps in found.values())
    if best <= start:
        return []
    return [float(goal) for goal in np.linspace(start, best, N_GOALS + 1)[1:]]


def corrections_for(steps: list[Step], goal: float) -> float:
    """Return the corrected cells for an AP50 that is reached, on the line between rounds."""
    for before, after in itertools.pairwise(steps):
        if after["ap50"] >= goal > before["ap50"]:
            share = (goal - before["ap50"]) / (after["ap50"] - before["ap50"])
            more = after["corrected"] - before["corrected"]
            return before["corrected"] + share * more
    return 0.0  # the model as it is was that good


def write_figure(path: Path, found: dict[str, list[Step]]) -> None:
    """Draw AP50 against corrected cells, and against cells looked at; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for place, name in zip(axes, ("corrected", "looked at"), strict=True):
        for order, steps in found.items():
            x = [step[name] for step in steps]
            place.plot(x, [step["ap50"] for step in steps], "o-", label=order)
        place.set_xlabel(f"cells {name}")
    axes[0].set_ylabel("by-image AP50 on other images")
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main(plan: Plan) -> None:
    """Play both orders, write table and figure, and print the table."""
    found = {order: play(plan, order) for order in (QUEUE, RANDOM)}
    text = table(found)
    (plan.out / "table.md").write_text(text + "\n", encoding="utf-8")
    write_figure(plan.out / "curve.png", found)
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--challenge", choices=["nuclei", "phase", "em"], default="em")
    parser.add_argument("--model", help="name or folder; else the one that ships")
    parser.add_argument("--images", type=int, default=4, help="that are worked on")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--cells", type=int, default=25, help="looked at in a round")
    parser.add_argument("--steps", type=int, help="of each training; else the preset's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    given = parser.parse_args()
    challenge = challenge_of(given.challenge, given.data)
    options = FineTuneOptions(steps=given.steps, seed=given.seed)
    if given.quick:
        options = FineTuneOptions(steps=4, batch_size=2, crop_px=128, seed=given.seed)
    plan = Plan(
        challenge.pool[: 1 if given.quick else given.images],
        challenge.test[: 1 if given.quick else None],
        find_model(given.model),
        given.out / given.challenge,
        1 if given.quick else given.rounds,
        given.cells,
        options,
    )
    main(plan)
