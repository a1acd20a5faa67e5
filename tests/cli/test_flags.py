"""Flags are made from the fields of an options class, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from napari_cellseg.cli.flags import flag_name, takes_options
from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.options import Range, SegmentOptions, option

runner = CliRunner()


@dataclass(frozen=True, slots=True)
class TeaOptions:
    sugar_px: float | None = option(
        None, Range(0, 5, unit="px", help="How much, see tea[black].")
    )
    cups: int = option(2, Range(1, 9, help="How many."))
    kind: str = option("green", Range(choices=("green", "black"), help="Which."))
    hot: bool = option(True, Range(help="Hot."))
    big: bool = option(False, Range(help="Big."))
    cup_um: float = option(9.5, Range(1, 99, help="See cellseg[tea].", unit="mm"))

    def __post_init__(self) -> None:
        if self.cups == 7:
            raise OptionsError("cups is 7; not today.")


def brewed(*arguments: str) -> tuple[int, list[TeaOptions], str]:
    """Return exit code, the options that arrived, and the output."""
    arrived: list[TeaOptions] = []
    tea = typer.Typer()

    @tea.command()
    @takes_options("options", TeaOptions)
    def brew(who: Annotated[str, typer.Argument()], *, options: TeaOptions) -> None:
        arrived.append(options)

    result = runner.invoke(tea, ["me", *arguments])
    return result.exit_code, arrived, result.output


def test_units_and_brackets_stand_in_the_help() -> None:
    _, _, output = brewed("--help")

    assert "cellseg[tea]" in output
    assert "[mm]" in output


def test_without_flags_the_defaults_of_the_class_hold() -> None:
    assert brewed() == (0, [TeaOptions()], "")


def test_every_kind_of_field_has_its_flag() -> None:
    _, arrived, _ = brewed(
        "--sugar", "1.5", "--cups", "3", "--kind", "black", "--no-hot", "--big"
    )

    assert arrived == [TeaOptions(1.5, 3, "black", hot=False, big=True)]


def test_help_shows_units_and_whatever_else_stands_in_brackets() -> None:
    _, _, output = brewed("--help")

    assert "tea[black]" in output
    assert "[px]" in output


@pytest.mark.parametrize(
    "flags",
    [("--cups", "10"), ("--sugar", "-1"), ("--kind", "white"), ("--cups", "two")],
    ids=" ".join,
)
def test_a_value_out_of_range_is_refused_with_a_word(flags: tuple[str, str]) -> None:
    code, arrived, output = brewed(*flags)

    assert code == 2
    assert not arrived
    assert flags[0] in output
    assert f"'{flags[1]}'" in output


def test_a_decimal_comma_is_told_of() -> None:
    code, _, output = brewed("--sugar", "0,5")
    assert code == 2
    assert "with a point, not a comma" in " ".join(output.replace("│", " ").split())


def test_a_range_is_said_with_its_unit() -> None:
    _, _, output = brewed("--sugar", "nan")

    assert "a number from 0 to 5 px is needed" in " ".join(
        output.replace("│", "").split()
    )


def test_what_the_class_refuses_is_a_usage_error() -> None:
    code, _, output = brewed("--cups", "7")

    assert code == 2
    assert "not today" in output


def test_units_are_not_part_of_a_flag() -> None:
    assert flag_name("diameter_px") == "--diameter"
    assert flag_name("min_area_px") == "--min-area"
    assert flag_name("seed_threshold") == "--seed-threshold"


def test_segment_offers_every_option_but_the_kept_maps() -> None:
    text = runner.invoke(app, ["segment", "--help"], env={"COLUMNS": "200"}).output

    names = {item.name for item in fields(SegmentOptions)} - {"keep_maps"}
    assert [name for name in names if flag_name(name) not in text] == []
    assert "--keep-maps" not in text
