"""What came of a fine-tuning, in words and in the new model's description."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.item import (
    Comparison,
    TrainingItem,
    TrainingOutcome,
    supply_of,
)
from napari_cellseg.io.models.training_files import TrainingRequest
from napari_cellseg.nn.fine_tuning.split import Split
from napari_cellseg.nn.fine_tuning.state import FROM_SCRATCH

#: A new model may be so much worse on the base set before it is advised against: three
#: times the scatter of trainings that teach nothing wrong (standard deviation 0.006, largest
#: loss 0.009). Measured, see `docs/measured/training.md`.
FORGETS = 0.02
#: A gain of mSA on n held-out cells below this over the root of n may be luck, and so may
#: one that is none in more than a tenth of the draws of `nn.fine_tuning.chance`. Of two models
#: that are equally good on all images, both let the new one pass in 1 to 8 of 100 cases.
#: On fewer cells than these a model that is better by 0.1 passes hardly more often than one
#: that is not. Measured, see `docs/measured/training.md`.
SCATTER = 0.4
SURE = 0.9
FEWEST_TOLD = 20
#: A model that finds fewer of the held-out cells (AP50) has never seen their kind. Then steps
#: matter more than cells: AP50 0.145 after a quick training, 0.542 after a thorough one of
#: the same cells. Measured, see `docs/measured/training.md`.
NEW_KIND = 0.2
#: More cells than these nobody checks to be told; then it is better called as good as before.
MOST_ASKED = 1000


def luck_of(n_cells: int) -> float:
    """Return the gain of mSA that luck may give on so many held-out cells."""
    return SCATTER / math.sqrt(max(n_cells, 1))


def forgets(base: Comparison) -> bool:
    """Say whether a new model lost more on the base set than chance gives."""
    return base.msa_old - base.msa_new > FORGETS


def verdict(
    held_out: Comparison, base: Comparison, held_out_share: float = 0.2
) -> tuple[bool, str]:
    """Return whether the new model is to be used, and why, in plain words.

    Parameters
    ----------
    held_out, base : Comparison
        On cells that were not learned from, and on the base set.
    held_out_share : float
        Of the cells that are checked.
    """
    n_cells = held_out.n_cells
    if n_cells == 0:
        return False, (
            "There was too little to hold any cell out, so nobody knows whether the new "
            "model is better. Check more areas and train again."
        )
    gain = held_out.msa_new - held_out.msa_old
    figures = f"outlines {held_out.msa_new:.3f}, old {held_out.msa_old:.3f}"
    if n_cells < FEWEST_TOLD:
        more = _to_check(FEWEST_TOLD - n_cells, held_out_share)
        return False, (
            f"Too few cells to tell which model is better: {n_cells} are held out "
            f"({figures}). Check about {more} more cells, and train again."
        )
    if gain <= 0:
        return False, (
            f"On cells it had not seen the new model is not better ({figures}). Keep the "
            "old one."
        )
    if gain <= luck_of(n_cells) or held_out.sureness < SURE:
        return False, (
            f"The new model is hardly better ({figures}): on {n_cells} cells chance alone "
            f"may give as much.{_what_would_tell(gain, n_cells, held_out_share)}"
        )
    if forgets(base):
        return False, (
            f"It is better on your images ({figures}) but has forgotten others (base set "
            f"{base.msa_new:.3f}, old {base.msa_old:.3f}). Use it for these images only."
        )
    return True, (
        f"Better on cells it had not seen: {figures}; cells gained {held_out.n_gained}, "
        f"lost {held_out.n_lost}."
    )


def nothing_kept(step: int, every: int) -> str:
    """Return why the new model is the old one, after a training of so many steps.

    Parameters
    ----------
    step : int
        The last one.
    every : int
        Steps between examinations on held-out cells.
    """
    if step < every:
        return (
            f"The training ended after {step} steps, before it was examined for the first "
            f"time (at step {every}), so this is the old model still. Keep the old one."
        )
    return (
        "The training only made the model worse on cells it had not seen, so this is the "
        "old model still. Keep the old one, and train with more checked cells."
    )


def _what_would_tell(gain: float, n_cells: int, share: float) -> str:
    """Return how many cells would show whether such a gain is real."""
    n_enough = (SCATTER / gain) ** 2
    # Where the number is enough, the images differ: half as many again, on other ones.
    more = _to_check(max(n_enough - n_cells, n_cells / 2), share)
    if more > MOST_ASKED:
        return " Count it as no better."
    return f" Check about {more} more cells, on other images too, to be sure."


def _to_check(n_held: float, share: float) -> int:
    """Return how many cells to check so that so many more are held out, in tens."""
    return 10 * math.ceil(n_held / share / 10)


def advice(
    held_out: Comparison, split: Split, options: FineTuneOptions, *, is_better: bool
) -> str:
    """Return what else is to be known of a comparison, and what to correct next, or ""."""
    words = ""
    luck = luck_of(held_out.n_cells)
    if held_out.n_cells and not is_better and held_out.msa_old + luck >= 1:
        words += (
            " The held-out cells leave no room to show more: the old model is right on "
            "nearly all of them."
        )
    if split.n_learned_before:
        words += (
            f" The old model has learned from {split.n_learned_before} of these "
            f"{held_out.n_cells} cells before and looks better than it is; check images "
            "that are new to it."
        )
    if split.hardest and held_out.msa_new - held_out.msa_old <= luck:
        words += (
            f" The old model is wrong most often on '{split.hardest}': check more areas "
            "and images like it."
        )
    is_short = options.seconds_limit is not None
    if held_out.n_cells and held_out.ap50_old < NEW_KIND and is_short:
        words += (
            " Cells of this kind are new to it, and a quick training is short for that: "
            "train 'thorough'."
        )
    return words


def new_spec(
    old: ModelSpec,
    request: TrainingRequest,
    items: Sequence[TrainingItem],
    outcome: TrainingOutcome,
    options: SegmentOptions,
) -> ModelSpec:
    """Return the spec of the new model: its parent, data, options and figures."""
    supply = supply_of(items)
    names = sorted({item.name for item in items})
    figures: dict[str, Any] = {
        "held_out/n_cells": outcome.held_out.n_cells,
        "held_out/ap50": round(outcome.held_out.ap50_new, 4),
        "held_out/msa": round(outcome.held_out.msa_new, 4),
        "held_out/msa_of_parent": round(outcome.held_out.msa_old, 4),
        "base/msa": round(outcome.base.msa_new, 4),
        "base/msa_of_parent": round(outcome.base.msa_old, 4),
    }
    listed = ", ".join(names[:5]) + (
        f" and {len(names) - 5} more" if len(names) > 5 else ""
    )
    way = f", {outcome.share:g} of the way" if outcome.share < 1 else ""
    return replace(
        old,
        name=request.name,
        title=request.title,
        description=f"Trained on {supply.n_cells} checked cells of {listed}.",
        parent_sha256=""
        if request.options.preset == FROM_SCRATCH
        else old.weights_sha256,
        training_data=f"{supply.n_images} images, {supply.n_cells} checked cells: {listed}",
        command=f"fine-tuned from {old.name} with {request.options.to_dict()}{way}",
        foreground_threshold=options.foreground_threshold or old.foreground_threshold,
        seed_threshold=options.seed_threshold or old.seed_threshold,
        min_confidence=(
            old.min_confidence
            if options.min_confidence is None
            else options.min_confidence
        ),
        figures=figures,
    )
