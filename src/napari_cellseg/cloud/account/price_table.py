"""The person's own price table: read from rows as they are typed, written, and given up."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.account.costs import Prices
from napari_cellseg.core.cloud_options import INSTANCE
from napari_cellseg.core.errors import OptionsError, SaveError
from napari_cellseg.io.atomic import replacing

HEAD = (
    "# What AWS charges, in US dollars an hour; read by cellseg and its window.\n"
    "# Look yours up: https://aws.amazon.com/sagemaker/pricing/\n\n"
)
#: A computer and its price, as they are shown and typed; "" is a price nobody knows.
Row = tuple[str, str]


def rows_of(prices: Prices, wanted: Iterable[str] = ()) -> list[Row]:
    """Return the rows of a table, and one for each computer that is wanted besides."""
    rows = [(name, f"{price:g}") for name, price in prices.per_hour.items()]
    known = (name for name in wanted if re.fullmatch(INSTANCE, name))
    others = dict.fromkeys((*prices.missing, *known))
    return rows + [(name, "") for name in others if name not in prices.per_hour]


def with_rows(prices: Prices, rows: Sequence[Row]) -> Prices:
    """Return a table with the prices of rows; empty ones are passed over.

    Raises
    ------
    OptionsError
        If a computer has no name that AWS knows, stands there twice, or a price is no
        number.
    """
    per_hour: dict[str, float] = {}
    missing: list[str] = []
    for name, price in ((name.strip(), price.strip()) for name, price in rows):
        if not name and not price:
            continue
        if not re.fullmatch(INSTANCE, name):
            raise OptionsError(
                f"'{name}' is no computer of SageMaker; they are called such as "
                "ml.g5.xlarge."
            )
        if name in per_hour or name in missing:
            raise OptionsError(f"{name} stands there twice; keep one of the prices.")
        if price:
            per_hour[name] = _price(name, price)
        else:
            missing.append(name)
    return replace(prices, per_hour=per_hour, missing=tuple(missing))


def _price(name: str, text: str) -> float:
    """Return a price as it was typed, with a point or a comma."""
    try:
        price = float(text.lstrip("$").strip().replace(",", "."))
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0):
        raise OptionsError(
            f"The price of {name} is '{text}'; give US dollars an hour, such as 1.41, or "
            "nothing if you do not know it."
        )
    return price


def save_prices(prices: Prices) -> Path:
    """Write a table to where the person's own lies, whole or not at all.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    own = costs.own_prices_path()
    try:
        own.parent.mkdir(parents=True, exist_ok=True)
        with replacing(own) as path:
            path.write_text(_text(prices), encoding="utf-8")
    except OSError as error:
        raise SaveError(f"'{own}' could not be written: {error.strerror}.") from error
    return own


def forget_own_prices() -> None:
    """Delete the person's own table, so that the one that ships counts.

    Raises
    ------
    SaveError
        If it cannot be deleted.
    """
    own = costs.own_prices_path()
    try:
        own.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(f"'{own}' could not be deleted: {error.strerror}.") from error


def _text(prices: Prices) -> str:
    """Return a table as TOML."""
    lines = [
        f"checked = {_quoted(prices.checked)}",
        f"source = {_quoted(prices.source)}",
        f"region = {_quoted(prices.region)}",
        f"no_price_known = [{', '.join(map(_quoted, prices.missing))}]",
        "",
        "[per_hour]",
        *(f"{_quoted(name)} = {price!r}" for name, price in prices.per_hour.items()),
    ]
    return HEAD + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return text as a string of TOML; what JSON escapes, TOML reads."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
