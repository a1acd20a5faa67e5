"""The points of a training's curve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A step of the training.

    Attributes
    ----------
    step : int
        Counted from 1.
    loss : float
        Of this step.
    score : float or None
        mSA on what is held out, where it was measured.
    """

    step: int
    loss: float
    score: float | None = None


def add_point(curve: list[CurvePoint], point: CurvePoint) -> None:
    """Add a step to a curve; one that is done again takes the place of the first."""
    while curve and curve[-1].step >= point.step:
        if curve[-1] == point:
            return
        curve.pop()
    curve.append(point)
