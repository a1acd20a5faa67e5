"""How cells are linked through time."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.options import Range, check_options, option


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """How cells are linked from frame to frame. See each field's `Range`."""

    max_step_px: float | None = option(
        None,
        Range(
            1,
            10_000,
            1,
            "px",
            help="How far a cell goes from one frame to the next; empty: its diameter.",
        ),
    )
    max_gap_frames: int = option(
        1, Range(0, 20, help="For so many frames a cell may be missed.")
    )
    divisions: bool = option(True, Range(help="Look for cells that divide."))

    def __post_init__(self) -> None:
        check_options(self)
