"""The lines that a training job prints, and the patterns that the platform finds in them.

Both stand here, so that they fit: ``step=120 steps=1500 loss=0.4213 held_out_msa=0.6120;``
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from napari_cellseg.core.training.curve import CurvePoint

#: At the end of each line, so that a cut line gives no cut number.
END = ";"
NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
STEP = "step"
#: How many there will be.
N_STEPS = "steps"
LOSS = "loss"
HELD_OUT = "held_out_msa"
#: What a job prints, and the name that the platform shows it under.
METRIC_TITLES = {
    STEP: "step",
    LOSS: "train:loss",
    HELD_OUT: "held_out:msa",
    "final_held_out_ap50": "final:held_out_ap50",
    "final_held_out_msa": "final:held_out_msa",
    "final_held_out_count_error": "final:held_out_count_error",
    "final_base_msa": "final:base_msa",
    "final_is_recommended": "final:is_recommended",
}


def metric_line(values: dict[str, float]) -> str:
    """Return a line of numbers, each ``name=value``."""
    parts = [f"{name}={value:.6g}" for name, value in values.items()]
    return " ".join(parts) + END


def metric_definitions() -> list[dict[str, str]]:
    """Return SageMaker's ``MetricDefinitions`` for what `metric_line` writes."""
    return [
        {"Name": title, "Regex": pattern(name)} for name, title in METRIC_TITLES.items()
    ]


def pattern(name: str) -> str:
    """Return the pattern that finds the value of `name`, and of no longer name."""
    return rf"(?:^|\s){name}={NUMBER}[\s{END}]"


def curve_from_lines(lines: Iterable[str]) -> list[CurvePoint]:
    """Return the curve that the lines of a log hold; other lines are passed over."""
    points = []
    for line in lines:
        found = {
            name: re.search(pattern(name), line) for name in (STEP, LOSS, HELD_OUT)
        }
        step, loss, score = found[STEP], found[LOSS], found[HELD_OUT]
        if step and loss:
            points.append(
                CurvePoint(
                    int(step[1]), float(loss[1]), float(score[1]) if score else None
                )
            )
    return points


def n_steps_from_lines(lines: Iterable[str]) -> int:
    """Return how many steps the lines of a log say there will be; 0: they do not."""
    found = (re.search(pattern(N_STEPS), line) for line in lines)
    return max((int(match[1]) for match in found if match), default=0)
