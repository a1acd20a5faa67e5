"""Count the cells that have to be looked at until the labels are good.

``python benchmarks/review_order.py DATA [--model FOLDER] [--sets NAME ...]`` needs no
training. A model segments each image; the person looks at one cell after the other and sets
it right from the truth (accept, redraw, split, join, delete), in the order of the review
queue or at random. For each image it is counted how many looks it takes until AP50 of the
labels has made half, three quarters and nine tenths of the way to what looking at every cell
brings. Looks are added up over the images of a set. The share that the queue needs of the
looks of a random order has an interval from 2,000 bootstrap samples of the groups of images
(images of one field stay together); the random order is the mean of several.

Sets: those that neither the order was fitted on, nor the model trained on. With the shipped
model `benchmark` (the 50 images of the StarDist paper) and `miccai15_he`; with a model that
has not seen DSB2018 (``few_shot.py --base-only``) `fluorescence` and `purple`.
"""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.io.datasets.base_sets import base_sets, benchmark_set
from napari_cellseg.io.datasets.dataset import Sample, pairs_in_folder
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.nn.inference.local import LocalSegmenter
from review_desk import (
    QUEUE,
    RANDOM,
    Desk,
    ap50,
    by_name,
    desk_of,
    looked_through,
    order_of,
)

#: Shares of the way from the AP50 of the model to that of all cells looked at.
GOALS = (0.5, 0.75, 0.9)
#: The order of the queue was fitted on other images of DSB2018: so many, the first by name.
N_FITTED = {"fluorescence": 60, "purple": 20}
N_BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Looks:
    """What an image took.

    Attributes
    ----------
    group : str
        Of the image.
    n_cells, n_wrong : int
        Cells that were looked at in all, and wrong ones among them.
    first, last : float
        AP50 of the model, and of all cells looked at.
    queue, random : (n goals,) float
        Looks for each goal.
    """

    group: str
    n_cells: int
    n_wrong: int
    first: float
    last: float
    queue: NDArray[np.float64]
    random: NDArray[np.float64]


def samples_of(name: str, data: Path) -> list[Sample]:
    """Return the images of a set, in an order that chance does not touch."""
    if name == "benchmark":
        return by_name(benchmark_set(data))
    if name == "validation":
        return by_name(base_sets(data).validation)
    if name not in N_FITTED:
        return by_name(pairs_in_folder(data / name, name))
    sets = base_sets(data)
    both = (*sets.training, *sets.validation)
    kind = "grey_fluorescence" if name == "fluorescence" else "purple"
    fit_on = by_name([s for s in both if s.kind.startswith(kind)])
    seen = {sample.group for sample in fit_on[: N_FITTED[name]]}
    return [sample for sample in fit_on if sample.group not in seen]


def looks_of(desk: Desk, n_random: int, seed: int) -> Looks | None:
    """Return what an image takes; None where looking at every cell brings nothing."""
    first = ap50(desk)
    rng = np.random.default_rng(seed)
    done = copy.deepcopy(desk)
    steps = list(looked_through(done, order_of(done, QUEUE, rng)))
    n_wrong = sum(was_wrong for _, was_wrong, _ in steps)
    last = steps[-1][2] if steps else first
    if last <= first:
        return None
    goals = [first + share * (last - first) for share in GOALS]
    draws = []
    for _ in range(n_random):
        again = copy.deepcopy(desk)
        draws.append(
            looks_for(looked_through(again, order_of(again, RANDOM, rng)), goals)
        )
    return Looks(
        desk.group,
        len(steps),
        n_wrong,
        first,
        last,
        np.array(looks_for(iter(steps), goals), float),
        np.array(draws, float).mean(0),
    )


def looks_for(steps, goals):  # type: ignore[no-untyped-def]
    """Return the looks after which each goal is reached for the first time."""
    found: list[int] = []
    n_looks = 0
    for n_looks, _, score in steps:
        while len(found) < len(goals) and score >= goals[len(found)] - 1e-9:
            found.append(n_looks)
        if len(found) == len(goals):
            break
    # The order may settle in which of two ways a tangle is undone: the last goal is the end.
    return found + [n_looks] * (len(goals) - len(found))


def shares(found: list[Looks]) -> NDArray[np.float64]:
    """Return queue / random of the summed looks, for each goal."""
    queue = sum(each.queue for each in found)
    random = sum(each.random for each in found)
    return np.asarray(queue / random)


def interval(found: list[Looks], seed: int) -> NDArray[np.float64]:
    """Return the 95 % interval of `shares`, (2, n goals), groups drawn with return."""
    groups: dict[str, list[Looks]] = {}
    for each in found:
        groups.setdefault(each.group, []).append(each)
    names = list(groups)
    rng = np.random.default_rng(seed)
    drawn = [
        shares(
            [
                x
                for place in rng.integers(len(names), size=len(names))
                for x in groups[names[place]]
            ]
        )
        for _ in range(N_BOOTSTRAPS)
    ]
    return np.quantile(drawn, [0.025, 0.975], axis=0)


def row(name: str, found: list[Looks], n_all: int, seed: int) -> str:
    """Return the row of a set."""
    share, (low, high) = shares(found), interval(found, seed)
    n_cells, n_wrong = sum(x.n_cells for x in found), sum(x.n_wrong for x in found)
    first, last = (
        float(np.mean([getattr(x, n) for x in found])) for n in ("first", "last")
    )
    cells = [
        f"{100 * s:.0f} % ({100 * a:.0f} to {100 * b:.0f})"
        for s, a, b in zip(share, low, high, strict=True)
    ]
    return (
        f"| {name} | {len(found)} of {n_all} | {n_cells} | {100 * n_wrong / n_cells:.0f} % | "
        f"{first:.3f} to {last:.3f} | {' | '.join(cells)} |"
    )


def main(given: argparse.Namespace) -> None:
    """Print a table with a row a set."""
    segmenter = LocalSegmenter(given.model or find_model(None), "auto")
    print(
        "| set | images | cells | wrong | AP50 | half | three quarters | nine tenths |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in given.sets:
        samples = samples_of(name, given.data)[: given.images]
        found = []
        for sample in samples:
            desk = desk_of(sample)
            desk.take(
                run(segmenter.segment(desk.image, SegmentOptions(keep_maps=True)))
            )
            looks = looks_of(desk, given.random, given.seed)
            found += [] if looks is None else [looks]
        print(row(name, found, len(samples), given.seed), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("data", type=Path, help="folder of the sets")
    parser.add_argument("--model", type=Path, help="folder; else the one that ships")
    parser.add_argument("--sets", nargs="+", default=["benchmark", "miccai15_he"])
    parser.add_argument("--images", type=int, default=60, help="of a set, at most")
    parser.add_argument("--random", type=int, default=10, help="random orders an image")
    parser.add_argument("--seed", type=int, default=1)
    main(parser.parse_args())
