"""Images that look nearly the same count as planes of one, so that none is on both sides.

Frames of a sequence in files of their own, a field that was taken twice, a copy: where one
is learned from and the other held out, a new model looks better than it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from napari_cellseg.core.training.holdout import Sides, image_key, key_of
from napari_cellseg.core.training.item import TrainingItem
from napari_cellseg.core.types import Labels
from napari_cellseg.io.datasets.looks import look_of, near_pairs

#: The group and the name of an image, or the group of several, ("group",).
Place = tuple[str, ...]


def twins_together(items: Sequence[TrainingItem], known: Sides) -> list[TrainingItem]:
    """Return the items; twins have one name and one group, and ids of their own.

    Parameters
    ----------
    items : sequence of TrainingItem
        Everything that is checked.
    known : Sides
        Of the trainings that the model to start from went through; what has a side there
        keeps its name and group, and its twins take them.
    """
    near = list(near_pairs([look_of(item.plane) for item in items]))
    own: list[Place] = [(item.group, item.name) for item in items]
    settled = {
        place
        for item, place in zip(items, own, strict=True)
        if image_key(item) in known or key_of(item.group) in known
    }
    images = _joined(((own[a], own[b]) for a, b, _ in near), settled)
    settled_groups = {place[:1] for place in settled}
    groups = _joined(((own[a][:1], own[b][:1]) for a, b, _ in near), settled_groups)
    shared = [images.get(place, place) for place in own]
    names = [(*groups.get(each[:1], each[:1]), each[1]) for each in shared]
    first_ids = _first_ids(items, own, names)
    return [
        replace(item, group=group, name=name, labels=_raised(item, first_ids[place]))
        for item, place, (group, name) in zip(items, own, names, strict=True)
    ]


def _joined(
    pairs: Iterable[tuple[Place, Place]], settled: set[Place]
) -> dict[Place, Place]:
    """Return what stands for each member of a pair; two that are settled stay apart."""
    stands: dict[Place, Place] = {}
    for pair in pairs:
        both = {stands.setdefault(each, each) for each in pair}
        if len(both) == 1 or both <= settled:
            continue
        kept = min(both, key=lambda each: (each not in settled, each))
        stands.update({each: kept for each in stands if stands[each] in both})
    return stands


def _first_ids(
    items: Sequence[TrainingItem], own: Sequence[Place], names: Sequence[Place]
) -> dict[Place, int]:
    """Return what is added to the ids of each image, so that twins share no cell."""
    highest: dict[Place, int] = {}
    for item, place in zip(items, own, strict=True):
        top = int(item.labels.max(initial=0))
        highest[place] = max(top, highest.get(place, 0))
    used: dict[Place, int] = {}
    found: dict[Place, int] = {}
    for place, name in dict(zip(own, names, strict=True)).items():
        found[place] = used.get(name, 0)
        used[name] = found[place] + highest[place]
    return found


def _raised(item: TrainingItem, n: int) -> Labels:
    """Return the labels with ids raised by n."""
    return (
        np.where(item.labels > 0, item.labels + n, 0).astype(np.int32)
        if n
        else item.labels
    )
