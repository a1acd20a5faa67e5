"""Parts what is checked: what is learned from, and what old and new model are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.labels.boxes import box_of
from napari_cellseg.core.model_spec import ModelSpec, settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.zoom import zoom_for
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.holdout import (
    MAX_RANKED,
    MIN_GROUPS,
    ItemErrors,
    Sides,
    by_side,
    choose_sides,
    hold_out,
    n_learned_before,
    sides_from_json,
    sides_to_json,
)
from napari_cellseg.core.training.item import TrainingItem, supply_of
from napari_cellseg.io.plain_files import known_json, write_json
from napari_cellseg.nn.fine_tuning.examiner import Examiner, item_diameter_px
from napari_cellseg.nn.fine_tuning.twins import twins_together
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training.loop import CHECKPOINT_NAME

MIN_CELLS = 3
#: Which side everything is on; a training that goes on keeps to it.
SIDES_NAME = "sides.json"
#: The old model is not shown more pixels than these before the training begins: some ten
#: seconds on two cores. Chosen by reasoning; of more images the hash alone takes some.
MEASURED_PX = 16_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What is on which side.

    Attributes
    ----------
    learned, held : list of TrainingItem
        What to learn from, and what to compare on.
    sides : Sides
        The same by digests of names, with what the old model knew.
    n_learned_before : int
        Held-out cells that the old model has learned from.
    hardest : str
        The image with the most that the old model gets wrong; "" if not measured.
    """

    learned: list[TrainingItem]
    held: list[TrainingItem]
    sides: Sides
    n_learned_before: int = 0
    hardest: str = ""


def check_supply(items: Sequence[TrainingItem], options: FineTuneOptions) -> None:
    """Raise `TrainingError` if there is too little to learn from."""
    n_cells = supply_of(items).n_cells
    if n_cells < MIN_CELLS:
        raise TrainingError(
            f"There are {n_cells} checked cells; at least {MIN_CELLS} are needed, and 100 "
            "to 200 make a difference. Check an area, or accept cells, first."
        )
    if not hold_out(items, options.held_out_share)[0]:
        raise TrainingError(
            "Nothing is left to learn from once a part is held out. Check more areas."
        )


class Splitter:
    """Parts what is checked with an eye on what the old model gets wrong.

    Parameters
    ----------
    network, spec : CellNet, ModelSpec
        The old model.
    device : torch.device
        Where to run it.
    """

    def __init__(self, network: CellNet, spec: ModelSpec, device: torch.device) -> None:
        self._network, self._spec, self._device = network, spec, device

    def split(
        self, folder: Path, items: Sequence[TrainingItem], options: FineTuneOptions
    ) -> Split:
        """Return the split of a training, the same one where the training goes on.

        Raises
        ------
        TrainingError
            If there is too little to learn from.
        SaveError
            If it cannot be noted in the folder.
        """
        known = sides_from_json(self._spec.sides)
        items = twins_together(items, known)
        check_supply(items, options)
        errors = self._errors(items)
        sides = sides_from_json(known_json(folder / SIDES_NAME))
        if not sides and (folder / CHECKPOINT_NAME).exists():
            raise TrainingError(
                f"'{folder}' does not say what this training held out, so old and new model "
                "cannot be compared fairly. Start a new training, on the command line with "
                "another folder."
            )
        if not sides:
            sides = choose_sides(items, options.held_out_share, errors, known)
            write_json(folder / SIDES_NAME, sides_to_json(sides))
        learned, held = by_side(items, sides)
        n_before = n_learned_before(held, known)
        return Split(
            learned, held, {**known, **sides}, n_before, _hardest(items, errors)
        )

    def _errors(self, items: Sequence[TrainingItem]) -> list[ItemErrors] | None:
        """Return what the old model gets wrong on each item; None: not to be known."""
        n_groups = len({item.group for item in items})
        if not MIN_GROUPS <= n_groups <= MAX_RANKED:
            return None
        if sum(map(self._n_px, items)) > MEASURED_PX:
            return None
        return [self._errors_on(item) for item in items]

    def _n_px(self, item: TrainingItem) -> float:
        """Return about how many pixels the network is shown of an item."""
        zoom = zoom_for(item_diameter_px(item), self._spec.diameter_px)
        n_px = 1.0
        for part in box_of(item.valid):
            n_px *= (part.stop - part.start) * zoom
        return n_px

    def _errors_on(self, item: TrainingItem) -> ItemErrors:
        examiner = Examiner([item], self._spec)
        maps = examiner.maps(self._network, self._device)
        options = settled_options(SegmentOptions(), self._spec)
        missed, extra = examiner.examine(maps, options).wrong.sum(0)
        return ItemErrors(float(missed), float(extra))


def _hardest(items: Sequence[TrainingItem], errors: Sequence[ItemErrors] | None) -> str:
    """Return the name of the image with the most errors, "" if there are none."""
    wrong: dict[str, float] = {}
    for item, found in zip(items, errors or (), strict=False):
        wrong[item.name] = wrong.get(item.name, 0.0) + found.n_missed + found.n_extra
    name = max(wrong, key=wrong.__getitem__, default="")
    return name if wrong.get(name) else ""
