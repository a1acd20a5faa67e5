"""What things cost, from a table that a person can edit."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from napari_cellseg.core.errors import OptionsError, SaveError

PRICES_NAME = "prices.toml"
HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table.

    Attributes
    ----------
    path : Path
        The file that it comes from.
    checked : str
        When somebody last looked the prices up.
    source : str
        Where.
    region : str
        For which region.
    per_hour : mapping
        US dollars an hour, by instance type.
    missing : tuple of str
        Instance types that are named there without a price.
    """

    path: Path
    checked: str
    source: str
    region: str
    per_hour: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def hourly(self, instance_type: str, n_instances: int = 1) -> float | None:
        """Return US dollars an hour, None where no price is known."""
        price = self.per_hour.get(instance_type)
        return None if price is None else price * n_instances

    @property
    def title(self) -> str:
        """Of when and for where the prices are, in words."""
        return f"prices of {self.checked} for {self.region}"

    @property
    def origin(self) -> str:
        """Where the prices come from, in words."""
        return f"{self.title}: {self.source}; {self.path}"


def own_prices_path() -> Path:
    """Return where the person's own price table lies; it may not exist."""
    return user_config_path("napari-cellseg", appauthor=False) / PRICES_NAME


def read_prices(path: Path | None = None) -> Prices:
    """Return the person's own price table, or else the one that ships.

    Raises
    ------
    OptionsError
        If it cannot be read, or a price is no number.
    """
    own = own_prices_path()
    shipped = Path(str(files("napari_cellseg.cloud.account") / PRICES_NAME))
    chosen = path or (own if own.is_file() else shipped)
    try:
        content = tomllib.loads(chosen.read_text(encoding="utf-8"))
        per_hour = dict(content.get("per_hour", {}))
        return Prices(
            chosen,
            str(content.get("checked", "an unknown day")),
            str(content.get("source", "unknown")),
            str(content.get("region", "an unknown region")),
            {name: _price(name, value) for name, value in per_hour.items()},
            tuple(
                str(name)
                for name in content.get("no_price_known", ())
                if name not in per_hour
            ),
        )
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, OptionsError):
            raise
        raise OptionsError(
            f"The price table '{chosen}' cannot be read ({error}). Correct it, or delete "
            "it to go back to the one that ships."
        ) from error


def _price(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or value < 0:
        raise OptionsError(
            f"The price table has {value!r} for {name}; a number of 0 or more is needed."
        )
    return float(value)


def make_own_prices() -> Path:
    """Copy the price table that ships to where it may be edited; one there stays.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    own = own_prices_path()
    try:
        if not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(
                str(files("napari_cellseg.cloud.account") / PRICES_NAME), own
            )
    except OSError as error:
        raise SaveError(f"'{own}' could not be written: {error.strerror}.") from error
    return own


def dollars(amount: float) -> str:
    """Return an amount as it is shown: estimates, so two digits are enough."""
    return f"${amount:,.2f}" if amount < 100 else f"${amount:,.0f}"


#: What to do about a price that is not known.
ADD_PRICE = "add it with Prices… in the dock, or cellseg cloud cost --edit"


def total_text(hourly: Sequence[float | None]) -> str:
    """Return what all that runs costs, in words; None is a price that is not known."""
    known = [price for price in hourly if price is not None]
    if len(known) == len(hourly):
        return f"In all about {dollars(sum(known))} an hour"
    if not known:
        return f"No price is known for what runs, but it costs money; {ADD_PRICE}"
    return (
        f"In all about {dollars(sum(known))} an hour, and what has no known price on top "
        f"({ADD_PRICE})"
    )


def hourly_text(instance_type: str, n_instances: int, prices: Prices) -> str:
    """Return what computers cost, in words."""
    price = prices.hourly(instance_type, n_instances)
    if price is None:
        return f"no price is known for {instance_type}; {ADD_PRICE}"
    month = dollars(price * HOURS_A_MONTH)
    return f"about {dollars(price)} an hour, {month} a month if it is never stopped"
