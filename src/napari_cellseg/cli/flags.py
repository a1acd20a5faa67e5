"""Command-line flags from the fields of an options dataclass.

A default, its range and its help exist once, on the field; here they become a flag.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, Literal, get_type_hints

import typer
from rich.markup import escape

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.options import Range

#: Units at the end of a field's name; the flag shows the unit in its help instead.
UNIT_SUFFIXES = ("_px", "_um")
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
    unit = f" [{range_.unit}]" if range_.unit else ""
    flag = typer.Option(
        name,
        help=escape(range_.help + unit),  # else [px] is taken for a colour
        min=_whole(range_.minimum, type_),
        max=_whole(range_.maximum, type_),
        show_default=UNSET if default is None else default is not False,
        rich_help_panel="Advanced" if range_.advanced else "Options",
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[type_, flag],
    )


def _whole(bound: float | None, type_: Any) -> float | None:
    """Return a bound as int for whole-number options, else as it is."""
    is_whole = type_ in (int, int | None)
    return int(bound) if bound is not None and is_whole else bound
