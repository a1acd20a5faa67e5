"""How a network is trained: the one that ships, and one that learns from corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_cellseg.core.options import (
    Range,
    check_names,
    check_options,
    option,
    options_to_dict,
)


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a network is trained. See each field's `Range`."""

    steps: int = option(15_000, Range(1, 10_000_000, help="Optimiser steps in all."))
    batch_size: int = option(8, Range(1, 4096, help="Crops a step."))
    crop_px: int = option(256, Range(64, 2048, 32, "px", help="Edge of a crop."))
    learning_rate: float = option(
        2e-3, Range(1e-6, 1.0, 1e-4, help="Peak learning rate of AdamW.")
    )
    weight_decay: float = option(0.03, Range(0, 1, 0.01, help="Weight decay of AdamW."))
    warmup_steps: int = option(
        400, Range(0, 100_000, help="Steps of rising learning rate.")
    )
    decay_share: float = option(
        0.35,
        Range(
            0, 1, 0.05, help="Last share of the steps, in which the rate falls to 0."
        ),
    )
    average: float = option(
        0.999,
        Range(
            0, 1, 0.001, help="Decay of the running mean of the weights that is kept."
        ),
    )
    synthetic_images: int = option(
        600, Range(0, 100_000, help="Synthetic scenes that are mixed in.")
    )
    validate_every: int = option(
        1500, Range(1, 1_000_000, help="Steps between validations.")
    )
    checkpoint_every: int = option(
        300, Range(1, 1_000_000, help="Steps between checkpoints.")
    )
    seed: int = option(
        1, Range(0, 2**31 - 1, help="Seed of weights, crops and augmentation.")
    )

    def __post_init__(self) -> None:
        check_options(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return options_to_dict(self)


#: A quick training ends within these, reading and comparing too; see `nn.fine_tuning.pace`.
QUICK_SECONDS = 150.0
#: Steps, crops a step and peak learning rate of each preset of `FineTuneOptions`.
FINE_TUNE_PRESETS = {
    "quick": (240, 4, 1e-3),
    "thorough": (1500, 8, 5e-4),
    "from_scratch": (4000, 8, 2e-3),
}
#: Steps for each checked cell, where a training that is not quick would do fewer; and the most.
STEPS_A_CELL, MOST_STEPS = 0.4, 12_000


@dataclass(frozen=True, slots=True)
class FineTuneOptions:
    """How a model learns from corrections. See each field's `Range`."""

    preset: str = option(
        "quick",
        Range(
            choices=tuple(FINE_TUNE_PRESETS),
            help="quick: 1 to 3 minutes; thorough: at least six times the steps; "
            "from_scratch: forgets the old model.",
        ),
    )
    steps: int | None = option(
        None, Range(1, 1_000_000, advanced=True, help="Empty: as the preset says.")
    )
    batch_size: int | None = option(
        None, Range(1, 4096, advanced=True, help="Crops a step. Empty: as the preset.")
    )
    learning_rate: float | None = option(
        None,
        Range(1e-6, 1.0, 1e-4, advanced=True, help="Peak rate. Empty: as the preset."),
    )
    crop_px: int = option(
        256, Range(64, 2048, 32, "px", advanced=True, help="Edge of a crop.")
    )
    encoder_share: float = option(
        0.3,
        Range(
            0,
            1,
            0.05,
            advanced=True,
            help="How fast the part learns that knows images in general, compared with "
            "the rest; 1 where nothing is known before.",
        ),
    )
    replay_share: float = option(
        0.3,
        Range(
            0,
            0.9,
            0.05,
            advanced=True,
            help="Share of base images in each step, against forgetting.",
        ),
    )
    held_out_share: float = option(
        0.2,
        Range(
            0.05,
            0.5,
            0.05,
            advanced=True,
            help="Share of the checked cells that is kept for comparing old and new.",
        ),
    )
    seed: int = option(
        1, Range(0, 2**31 - 1, advanced=True, help="Seed of crops and changes.")
    )

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def plan(self) -> tuple[int, int, float]:
        """Steps, crops a step and peak learning rate, as set or as the preset says."""
        steps, batch_size, learning_rate = FINE_TUNE_PRESETS[self.preset]
        return (
            self.steps or steps,
            self.batch_size or batch_size,
            self.learning_rate or learning_rate,
        )

    def steps_for(self, n_cells: int) -> int:
        """Return the steps of a training on so many checked cells: more teach more."""
        steps, _, _ = self.plan
        if self.steps or self.seconds_limit:
            return steps
        return max(steps, min(round(STEPS_A_CELL * n_cells), MOST_STEPS))

    @property
    def seconds_limit(self) -> float | None:
        """Seconds that a training may take in all; None: it does all its steps."""
        return QUICK_SECONDS if self.preset == "quick" and not self.steps else None

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return options_to_dict(self)


def fine_tune_options_from_dict(values: Mapping[str, Any]) -> FineTuneOptions:
    """Return options from JSON values; unknown names raise `OptionsError`."""
    check_names(FineTuneOptions, values)
    return FineTuneOptions(**values)
