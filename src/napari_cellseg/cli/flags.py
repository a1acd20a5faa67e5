"""Command-line flags from the fields of an options dataclass.

A default, its range and its help exist once, on the field; here they become a flag.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, get_type_hints

import typer
from rich.markup import escape

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.options import UNIT_SUFFIXES, Range

#: Shown as the default where the field's default is None.
UNSET = "auto"

Command = Callable[..., None]


def flag_name(field_name: str) -> str:
    """Return the flag of an option, such as ``--diameter`` for ``diameter_px``."""
    for suffix in UNIT_SUFFIXES:
        field_name = field_name.removesuffix(suffix)
    return "--" + field_name.replace("_", "-")


def takes_options(
    keyword: str, options_type: type, leave_out: Collection[str] = ()
) -> Callable[[Command], Command]:
    """Return a decorator that gives a command one flag for each field of a dataclass.

    Parameters
    ----------
    keyword : str
        Argument of the command that receives the finished options.
    options_type : type
        A dataclass whose fields are made by `core.options.option`.
    leave_out : collection of str
        Fields that make no sense on the command line; they keep their default.
    """
    items = [item for item in fields(options_type) if item.name not in leave_out]
    flags = [_flag(item, get_type_hints(options_type)[item.name]) for item in items]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_options(**given: Any) -> None:
            values = {item.name: given.pop(item.name) for item in items}
            try:
                options = options_type(**values)
            except OptionsError as error:
                raise typer.BadParameter(str(error)) from error
            command(**given, **{keyword: options})

        own = inspect.signature(command, eval_str=True).parameters.values()
        kept = [parameter for parameter in own if parameter.name != keyword]
        signature = inspect.Signature([*kept, *flags])
        with_options.__signature__ = signature  # type: ignore[attr-defined]
        with_options.__annotations__ = {
            parameter.name: parameter.annotation for parameter in (*kept, *flags)
        }
        return with_options

    return decorate


def _flag(item: Field[Any], type_: Any) -> inspect.Parameter:
    """Return the parameter that typer turns into a flag."""
    range_: Range = item.metadata["range"]
    default = None if item.default is MISSING else item.default
    name = flag_name(item.name)
    if type_ is bool and default is True:
        name = f"{name}/--no-{name.removeprefix('--')}"
    if range_.choices:
        type_ = Literal[range_.choices]
    reads = _reader(range_, type_)
    unit = f" [{range_.unit}]" if range_.unit else ""
    flag = typer.Option(
        name,
        help=escape(range_.help + unit),  # else [px] is taken for a colour
        parser=reads,
        metavar=None if reads is None else reads.words,
        show_default=UNSET if default is None else default is not False,
        rich_help_panel="Advanced" if range_.advanced else "Options",
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[type_, flag],
    )


def _reader(range_: Range, type_: Any) -> _NumberIn | None:
    """Return what reads the number of a flag, None for flags that take no number."""
    if type_ in (int, int | None):
        return _NumberIn(range_, int)
    return _NumberIn(range_, float) if type_ in (float, float | None) else None


class _NumberIn:
    """Reads a number and says what was given if it is none, or out of its range."""

    def __init__(self, range_: Range, kind: type[int] | type[float]) -> None:
        self._range, self._kind = range_, kind

    @property
    def __name__(self) -> str:
        """What the command line calls the value."""
        return "NUMBER"

    @property
    def words(self) -> str:
        """What may be given."""
        low, high = self._range.minimum, self._range.maximum
        if low is None or high is None:
            return "NUMBER"
        return f"{low:.9g} to {high:.9g}"

    def __call__(self, text: str) -> int | float:
        """Return the number; raises `typer.BadParameter`."""
        try:
            value = self._kind(text)
        except ValueError:
            raise self._refused(text) from None
        low, high = self._range.minimum, self._range.maximum
        # A comparison with a value that is no number is never true.
        if not (-math.inf if low is None else low) <= value:
            raise self._refused(text)
        if not value <= (math.inf if high is None else high):
            raise self._refused(text)
        return value

    def _refused(self, text: str) -> typer.BadParameter:
        what = "a whole number" if self._kind is int else "a number"
        low, high, unit = self._range.minimum, self._range.maximum, self._range.unit
        span = "" if low is None or high is None else f" from {low:.9g} to {high:.9g}"
        behind = f" {unit}" if unit and span else ""
        if "," in text and self._kind is not int:
            what += " with a point, not a comma,"
        return typer.BadParameter(
            f"'{text}' was given; {what}{span}{behind} is needed."
        )
