"""What came of a fine-tuning, in words and in the new model's description."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.training_item import (
    Comparison,
    TrainingItem,
    TrainingOutcome,
    supply_of,
)
from napari_cellseg.io.training_files import TrainingRequest
from napari_cellseg.nn.fine_tune_run import FROM_SCRATCH
from napari_cellseg.nn.fine_tune_split import Split

#: A new model may be so much worse on the base set before it is advised against: three
#: times the scatter of trainings that teach nothing wrong (standard deviation 0.006, largest
#: loss 0.009). Measured, see `docs/training.md`.
FORGETS = 0.02
#: A gain of mSA on n held-out cells below this over the root of n may be luck. Of two models
#: that are equally good on all images one gains more on a few of them in at most 10 of 100
#: cases. Measured, see `docs/training.md`.
SCATTER = 0.4
N_LISTED = 5


def verdict(held_out: Comparison, base: Comparison) -> tuple[bool, str]:
    """Return whether the new model is to be used, and why, in a sentence."""
    if held_out.n_cells == 0:
        return False, (
            "There was too little to hold any cell out, so nobody knows whether the new "
            "model is better. Check more areas and train again."
        )
    gain = held_out.msa_new - held_out.msa_old
    luck = SCATTER / math.sqrt(held_out.n_cells)
    loss = base.msa_old - base.msa_new
    if gain <= 0:
        return False, (
            f"On cells it had not seen the new model is not better (mSA "
            f"{held_out.msa_new:.3f}, old {held_out.msa_old:.3f}). Keep the old one."
        )
    if gain <= luck:
        return False, (
            f"The new model is hardly better (mSA {held_out.msa_new:.3f}, old "
            f"{held_out.msa_old:.3f}): with {held_out.n_cells} cells to compare on, "
            f"{luck:.3f} more may be luck. Check more areas to be sure."
        )
    if loss > FORGETS:
        return False, (
            f"It is better on your images (mSA {held_out.msa_new:.3f}, old "
            f"{held_out.msa_old:.3f}) but has forgotten others (base set "
            f"{base.msa_new:.3f}, old {base.msa_old:.3f}). Use it for these images only."
        )
    return True, (
        f"Better on cells it had not seen: mSA {held_out.msa_new:.3f}, old "
        f"{held_out.msa_old:.3f}; cells gained {held_out.n_gained}, lost {held_out.n_lost}."
    )


def advice(held_out: Comparison, split: Split, *, is_better: bool) -> str:
    """Return what else is to be known of a comparison, and what to correct next, or ""."""
    words = ""
    luck = SCATTER / math.sqrt(max(held_out.n_cells, 1))
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
    return replace(
        old,
        name=request.name,
        title=request.title,
        description=f"Trained on {supply.n_cells} checked cells of {listed}.",
        parent_sha256=""
        if request.options.preset == FROM_SCRATCH
        else old.weights_sha256,
        training_data=f"{supply.n_images} images, {supply.n_cells} checked cells: {listed}",
        command=f"fine-tuned from {old.name} with {request.options.to_dict()}",
        foreground_threshold=options.foreground_threshold or old.foreground_threshold,
        seed_threshold=options.seed_threshold or old.seed_threshold,
        min_confidence=(
            old.min_confidence
            if options.min_confidence is None
            else options.min_confidence
        ),
        figures=figures,
    )
