"""Checked cells that are kept out of the training, to compare old and new model on.

Held-out images that happen to be the easy ones would leave a new model nothing to win, and
what it has learned would be thrown away. So several images are held out, some that the old
model does well on and some that it does not.

The choice depends on names, cells and errors, never on the order of images or on chance; and
a model that was trained knows which side each image was on, so that what was held out is not
learned from later.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_cellseg.core.training.image_cuts import Cut, cut_of, parted
from napari_cellseg.core.training.item import TrainingItem

#: With fewer images a part of each is held out; with so many, whole images are.
MIN_GROUPS = 4
#: Of more groups than these a stable hash takes some, until there are enough cells.
MAX_RANKED = 64
#: Of fewer: at least so many, and so many times their share of the images. More images of
#: fewer cells tell more than few with many; measured, see `docs/measured/training.md`.
MIN_HELD = 2
HELD_TIMES = 1.5
#: So many times the wanted cells may be held out where images differ in size.
MAX_OVERSHOOT = 1.3
LEARNED, HELD_OUT = "learned", "held out"
#: Hexadecimal digits of a digest that stands for an image or a group of them.
DIGITS = 16

#: The side of each group of images, or where an image is parted, by a digest of its name.
Sides = Mapping[str, "str | Cut"]


@dataclass(frozen=True, slots=True)
class ItemErrors:
    """What a model gets wrong on an item, averaged over `core.training.matching.MSA_THRESHOLDS`.

    Attributes
    ----------
    n_missed, n_extra : float
        Cells that are not found, and cells found that are none.
    """

    n_missed: float
    n_extra: float


def hold_out(
    items: Sequence[TrainingItem],
    share: float,
    errors: Sequence[ItemErrors] | None = None,
    known: Sides | None = None,
) -> tuple[list[TrainingItem], list[TrainingItem]]:
    """Return items to learn from, and items to compare models on; see `choose_sides`."""
    return by_side(items, choose_sides(items, share, errors, known))


def choose_sides(
    items: Sequence[TrainingItem],
    share: float,
    errors: Sequence[ItemErrors] | None = None,
    known: Sides | None = None,
) -> dict[str, str | Cut]:
    """Return on which side of a training everything is.

    Whole groups are held out where there are `MIN_GROUPS`; else a strip at the end of each
    image, the same in all its planes. What an earlier training held out stays held out, and
    what it learned from is learned from; only where nothing would be left on one of the two
    sides is it chosen anew: of what was held out a part stays so.

    Parameters
    ----------
    items : sequence of TrainingItem
        Everything that is checked.
    share : float
        Share of the checked cells to hold out, about.
    errors : sequence of ItemErrors, optional
        Of the model to start from, one an item; None where they were not measured.
    known : Sides, optional
        Of the trainings that the model to start from went through.
    """
    pile = _Pile(items, share, errors)
    sides = pile.sides(known or {})
    # Else all was held out: none of it was learned from, and a part stays held out. Or
    # nothing was; then see `n_learned_before`.
    return sides if all(by_side(items, sides)) else pile.sides({})


def by_side(
    items: Sequence[TrainingItem], sides: Sides
) -> tuple[list[TrainingItem], list[TrainingItem]]:
    """Return items to learn from and items that are held out; unknown ones are learned."""
    learned: list[TrainingItem] = []
    held: list[TrainingItem] = []
    for image, planes in _images_of(items).items():
        side = sides.get(image, sides.get(key_of(planes[0].group)))
        if isinstance(side, Cut):
            kept, out = parted(planes, side)
            learned += kept
            held += out
        else:
            (held if side == HELD_OUT else learned).extend(planes)
    return learned, held


def n_learned_before(held: Sequence[TrainingItem], known: Sides) -> int:
    """Return how many cells of held-out items the model to start from has learned from."""
    keyed = [i for i in held if image_key(i) in known or key_of(i.group) in known]
    return sum(len(item.cell_ids()) for item in by_side(keyed, known)[0])


def sides_to_json(sides: Sides) -> dict[str, Any]:
    """Return the sides as JSON values."""
    return {
        key: [side.axis, side.edge_px] if isinstance(side, Cut) else side
        for key, side in sorted(sides.items())
    }


def sides_from_json(values: object) -> dict[str, str | Cut]:
    """Return what `sides_to_json` made; what is damaged is left out."""
    found: dict[str, str | Cut] = {}
    for key, value in values.items() if isinstance(values, Mapping) else ():
        match value:
            case "learned" | "held out":
                found[str(key)] = value
            case [0 | 1 as axis, int() | float() as edge_px] if math.isfinite(edge_px):
                found[str(key)] = Cut(int(axis), float(edge_px))
    return found


def key_of(group: str) -> str:
    """Return what stands for a group; no names or paths travel with a model."""
    return hashlib.sha256(group.encode()).hexdigest()[:DIGITS]


def image_key(item: TrainingItem) -> str:
    """Return what stands for an image, in all its planes."""
    return key_of(f"{item.group}\0{item.name}")


def _images_of(items: Sequence[TrainingItem]) -> dict[str, list[TrainingItem]]:
    """Return the planes of each image."""
    images: dict[str, list[TrainingItem]] = {}
    for item in items:
        images.setdefault(image_key(item), []).append(item)
    return images


@dataclass(slots=True)
class _Group:
    """Images that are never on both sides: their cells, and what is wrong there."""

    name: str
    n_cells: int = 0
    n_errors: float = 0.0

    @property
    def error(self) -> float:
        """How wrong the old model is there, a cell."""
        return self.n_errors / max(self.n_cells, 1)

    @property
    def key(self) -> str:
        """What stands for it."""
        return key_of(self.name)


class _Pile:
    """What there is to be parted: images, and groups of them."""

    def __init__(
        self,
        items: Sequence[TrainingItem],
        share: float,
        errors: Sequence[ItemErrors] | None,
    ) -> None:
        self._images = _images_of(items)
        self._share = share
        self._groups: dict[str, _Group] = {}
        for place, item in enumerate(items):
            group = self._groups.setdefault(item.group, _Group(item.group))
            group.n_cells += len(item.cell_ids())
            if errors is not None:
                group.n_errors += errors[place].n_missed + errors[place].n_extra

    def sides(self, known: Sides) -> dict[str, str | Cut]:
        """Return the sides; `known` holds those that are settled."""
        settled: dict[str, str | Cut] = {}
        fresh = dict(self._groups)
        for image, planes in self._images.items():
            for key in (image, key_of(planes[0].group)):
                if key in known:
                    settled[key] = known[key]
                    fresh.pop(planes[0].group, None)
        if len(self._groups) < MIN_GROUPS:
            return {**self._cuts(fresh), **settled}
        held = [g for g in self._groups.values() if settled.get(g.key) == HELD_OUT]
        chosen = self._chosen(list(fresh.values()), held)
        sides = {g.key: HELD_OUT if g in chosen else LEARNED for g in fresh.values()}
        return {**sides, **settled}

    def _cuts(self, fresh: Mapping[str, _Group]) -> dict[str, str | Cut]:
        """Return where each image is parted; one with too few cells is learned from."""
        return {
            image: cut_of(planes, self._share) or LEARNED
            for image, planes in self._images.items()
            if planes[0].group in fresh
        }

    def _chosen(self, fresh: list[_Group], held: list[_Group]) -> list[_Group]:
        """Return which fresh groups are held out beside those that are.

        A group with far more cells than are wanted is learned from, unless all have.
        """
        wanted = self._share * sum(group.n_cells for group in self._groups.values())
        ranks = [[group] for group in sorted(fresh, key=lambda each: each.key)]
        n_enough: float = wanted
        if len(self._groups) <= MAX_RANKED:
            n_images = round(HELD_TIMES * self._share * len(self._groups))
            ranks = _ranks(fresh, max(MIN_HELD, n_images) - len(held))
            n_enough = math.inf
        n_held = sum(group.n_cells for group in held)
        chosen: list[_Group] = []
        for rank in ranks:
            room = MAX_OVERSHOOT * wanted - n_held
            fitting = [group for group in rank if group.n_cells <= room]
            if fitting and n_held < n_enough:
                chosen.append(fitting[0])
                n_held += fitting[0].n_cells
        with_cells = [group for group in fresh if group.n_cells]
        if with_cells and not n_held:
            chosen.append(min(with_cells, key=lambda each: (each.n_cells, each.key)))
        return chosen


def _ranks(groups: list[_Group], n_ranks: int) -> list[list[_Group]]:
    """Return groups parted by how wrong the old model is on them, each part by hash.

    The hardest come first, then the easiest, and so on inwards: there may not be room for
    one of each.
    """
    if n_ranks <= 0:
        return []
    ranked = sorted(groups, key=lambda each: (-each.error, each.key))
    edges = [round(place * len(ranked) / n_ranks) for place in range(n_ranks + 1)]
    parts = [ranked[start:end] for start, end in itertools.pairwise(edges)]
    half = -(-n_ranks // 2)
    inwards = zip([*parts[:half]], [*reversed(parts[half:]), []], strict=False)
    return [
        sorted(part, key=lambda each: each.key) for pair in inwards for part in pair
    ]
