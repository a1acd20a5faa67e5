"""Endpoints that cost money and that a window of this person made or used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_state_path

from napari_cellseg.core.errors import SaveError
from napari_cellseg.io.atomic import replacing

FILE_NAME = "endpoints.json"


@dataclass(frozen=True, slots=True)
class UsedEndpoint:
    """An endpoint, and who saw it where; see `core.cloud_options.AccountOptions`."""

    name: str
    profile: str = ""
    region: str = ""

    @property
    def sentence(self) -> str:
        """What is known of it before anybody was asked."""
        where = ", ".join(part for part in (self.profile, self.region) if part)
        return (
            f"endpoint {self.name}{f' ({where})' if where else ''}: was used from here, and "
            "costs money while it runs"
        )


def used_file() -> Path:
    """Return where the endpoints are remembered for this user."""
    return user_state_path("napari-cellseg") / FILE_NAME


def used_endpoints() -> tuple[UsedEndpoint, ...]:
    """Return what is remembered; empty if it cannot be read."""
    try:
        items = json.loads(used_file().read_text(encoding="utf-8"))
        return tuple(UsedEndpoint(**item) for item in items)
    except (OSError, ValueError, TypeError):
        return ()


def remember(one: UsedEndpoint) -> None:
    """Remember an endpoint, until `forget`; a crash of the window changes nothing."""
    _write((one, *(each for each in used_endpoints() if each != one)))


def forget(gone: Iterable[UsedEndpoint]) -> None:
    """Remember some endpoints no longer; those of other windows stay."""
    left = set(gone)
    if left.intersection(before := used_endpoints()):
        _write(each for each in before if each not in left)


def _write(endpoints: Iterable[UsedEndpoint]) -> None:
    """Write them; a list that cannot be written is no reason to stop."""
    file = used_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            content = json.dumps([asdict(each) for each in endpoints])
            temporary.write_text(content, encoding="utf-8")
    except (OSError, SaveError):
        return
