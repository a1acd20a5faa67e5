"""A screen in memory, for windows where there is no display."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from napari_cellseg.core.errors import CellsegError

SCREEN = ("-screen", "0", "1440x900x24")
#: Seconds that a screen may take to stop.
PATIENCE = 20


def has_display() -> bool:
    """Return True if windows can be shown; macOS and Windows always can."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display() -> Iterator[str]:
    """Start Xvfb, set ``DISPLAY`` to it, and stop it at the end.

    Yields
    ------
    str
        The display, such as ``":99"``.

    Raises
    ------
    CellsegError
        If Xvfb is not installed or does not start.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise CellsegError(
            "There is no display, and Xvfb, which would stand in for one, is not "
            "installed. Run: sudo apt-get install xvfb"
        )
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writing), *SCREEN, "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()  # empty if it ends without starting
    before = os.environ.get("DISPLAY")
    try:
        if not number:
            raise CellsegError(
                "Xvfb did not start. Run it by hand to see why: Xvfb :99"
            )
        os.environ["DISPLAY"] = f":{number}"
        yield f":{number}"
    finally:
        _restore("DISPLAY", before)
        _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the screen, by force if it does not listen."""
    server.terminate()
    try:
        server.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _restore(variable: str, value: str | None) -> None:
    """Set an environment variable to what it was."""
    if value is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = value
