"""Endpoints that cost money and that a window of this person made or used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_state_path

from napari_cellseg.core.errors import SaveError
from napari_cellseg.io.plain_files import known_json, write_json

FILE_NAME = "endpoints.json"
#: Another window writes its few lines in far less.
LOCK_SECONDS = 2.0


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
        return tuple(UsedEndpoint(**item) for item in known_json(used_file()))
    except TypeError:
        return ()


def remember(one: UsedEndpoint) -> None:
    """Remember an endpoint, until `forget`; a crash of the window changes nothing."""
    with _alone():
        _write((one, *(each for each in used_endpoints() if each != one)))


def forget(gone: Iterable[UsedEndpoint]) -> None:
    """Remember some endpoints no longer; those of other windows stay."""
    left = set(gone)
    with _alone():
        if left.intersection(before := used_endpoints()):
            _write(each for each in before if each not in left)


@contextmanager
def _alone() -> Iterator[None]:
    """Let no other window change the list; without locks it is changed all the same."""
    file = used_file()
    lock = FileLock(file.with_suffix(".lock"), timeout=LOCK_SECONDS)
    with suppress(OSError, NotImplementedError):
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _write(endpoints: Iterable[UsedEndpoint]) -> None:
    """Write them; a list that cannot be written is no reason to stop."""
    try:
        write_json(used_file(), [asdict(each) for each in endpoints])
    except (OSError, SaveError):
        return
