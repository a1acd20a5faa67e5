"""Every default of the project, once, with unit and range.

The form in the dock, the flags of the command line and the keys in the JSON beside a CSV
are made from the fields of these classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from napari_cellseg.core.errors import OptionsError

#: Units at the end of an option's name; flags and fields show them elsewhere.
UNIT_SUFFIXES = ("_px", "_um")


@dataclass(frozen=True, slots=True)
class Range:
    """What an option may be, and how it is shown.

    Attributes
    ----------
    minimum, maximum : float or None
        Both included; None means no bound.
    step : float
        Step of a slider or spin box.
    unit : str
        Such as ``"px"``, or ``""``.
    choices : tuple of str
        The words that a text option may be; empty for numbers.
    advanced : bool
        True if the form folds it away.
    help : str
        One sentence in the user's words.
    pattern : str
        What a free text must match; "" for numbers and choices.
    """

    minimum: float | None = None
    maximum: float | None = None
    step: float = 1.0
    unit: str = ""
    choices: tuple[str, ...] = ()
    advanced: bool = False
    help: str = ""
    pattern: str = ""


def option(default: Any, range_: Range) -> Any:
    """Return a dataclass field with its default and its range."""
    return field(default=default, metadata={"range": range_})


def range_of(options_type: type, name: str) -> Range:
    """Return the range of the option `name` of an options dataclass."""
    for item in fields(options_type):
        if item.name == name:
            range_: Range = item.metadata["range"]
            return range_
    raise OptionsError(f"There is no option '{name}' in {options_type.__name__}.")


def check_options(options: Any) -> None:
    """Raise `OptionsError` naming the first option that is out of its range."""
    for item in fields(options):
        _check_value(item.name, getattr(options, item.name), item.metadata["range"])


def _check_value(name: str, value: Any, range_: Range) -> None:
    """Check one value; None stands for "find out" and is always in range."""
    if value is None or isinstance(value, bool):
        return
    if range_.choices:
        if value not in range_.choices:
            raise OptionsError(
                f"{name} is '{value}'; one of {', '.join(range_.choices)} is needed."
            )
        return
    if range_.pattern:
        if not re.fullmatch(range_.pattern, str(value)):
            raise OptionsError(
                f"{name} is '{value}'; something like {range_.pattern} is needed."
            )
        return
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise OptionsError(f"{name} is {value!r}; a number is needed.")
    low, high = range_.minimum, range_.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        unit = f" {range_.unit}" if range_.unit else ""
        raise OptionsError(
            f"{name} is {value}{unit}; it must lie between {low} and {high}{unit}."
        )


def fields_with_ranges(options_type: type) -> dict[str, dict[str, Any]]:
    """Return default, bounds and help of each option as plain JSON values."""
    return {
        item.name: {"default": item.default, **asdict(item.metadata["range"])}
        for item in fields(options_type)
    }


def options_to_dict(options: Any) -> dict[str, Any]:
    """Return the options as plain JSON values."""
    return {item.name: getattr(options, item.name) for item in fields(options)}


def check_names(kind: type, values: Mapping[str, Any]) -> None:
    """Raise `OptionsError` if the values are not those of options of a kind."""
    if not isinstance(values, Mapping):
        raise OptionsError(
            f"The options are {values!r:.40}; names with values are expected."
        )
    known = {item.name for item in fields(kind)}
    if unknown := sorted(set(values) - known):
        raise OptionsError(
            f"Unknown options: {', '.join(unknown)}; known are {', '.join(sorted(known))}."
        )


def segment_options_from_dict(values: Mapping[str, Any]) -> SegmentOptions:
    """Return options from JSON values; unknown names raise `OptionsError`."""
    check_names(SegmentOptions, values)
    return SegmentOptions(**values)


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """How an image is segmented. See each field's `Range` for unit, bounds and meaning."""

    channel: int | None = option(
        None,
        Range(
            0,
            255,
            help="Channel that shows the cells, counted from 0; needed when there "
            "is more than one. Colour images use all three.",
        ),
    )
    nuclei_channel: int | None = option(
        None,
        Range(
            0,
            255,
            help="Channel that shows the nuclei of the same cells: cells that run into "
            "each other are told apart by them. Takes twice as long.",
        ),
    )
    diameter_px: float | None = option(
        None,
        Range(
            2,
            2000,
            0.5,
            "px",
            help="Typical cell diameter in pixels; empty: estimated.",
        ),
    )
    preset: str = option(
        "default",
        Range(
            choices=("fast", "default", "accurate"),
            help="fast: no size estimate; accurate: "
            "seven views averaged, 8 times slower.",
        ),
    )
    decoder: str = option(
        "auto",
        Range(
            choices=("auto", "watershed", "flow"),
            advanced=True,
            help="watershed: round cells; flow: long or branched cells; auto: as the model says.",
        ),
    )
    foreground_threshold: float | None = option(
        None,
        Range(
            0.05,
            0.95,
            0.01,
            help="Lower: larger and more cells. Higher: only what is clear. "
            "Empty: as the model says.",
        ),
    )
    seed_threshold: float | None = option(
        None,
        Range(
            0.05,
            0.95,
            0.01,
            help="Lower: touching cells are split more. Higher: split less. "
            "Empty: as the model says.",
        ),
    )
    min_area_px: int = option(
        20, Range(0, 1_000_000, 1, "px", help="Smaller cells are left out.")
    )
    min_confidence: float | None = option(
        None,
        Range(
            0,
            1,
            0.01,
            advanced=True,
            help="Cells below this confidence are left out. Empty: as the model says.",
        ),
    )
    fill_holes: bool = option(
        True, Range(advanced=True, help="Fill holes inside cells.")
    )
    join_planes: bool = option(
        True,
        Range(
            help="Stacks with Z: what overlaps on neighbouring planes is one 3-D cell."
        ),
    )
    plane_overlap: float = option(
        0.5,
        Range(
            0.05,
            1,
            0.05,
            advanced=True,
            help="Share of the smaller outline that must lie in that of the next plane.",
        ),
    )
    keep_maps: bool = option(
        False,
        Range(
            advanced=True, help="Keep the network's maps so that thresholds move live."
        ),
    )

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def looks_for_size(self) -> bool:
        """True if the size of the cells is looked for in the image."""
        return self.diameter_px is None and self.preset != "fast"

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain JSON values."""
        return options_to_dict(self)
