"""Install the system libraries that a Qt window needs on Linux, or name them.

Run as ``python tools/system_libraries.py``; needs nothing but Python. On a Debian-like
system and as root the missing ones are installed, else the command to run is printed and
the exit code is 1. On macOS and Windows there is nothing to do.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys

#: What Qt's xcb platform and OpenGL load, and the Debian package each is in. Found on an
#: empty Debian 12 with PyQt6 6.11.
LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
#: A screen in memory, for where there is none.
SCREEN_PROGRAMS = {"Xvfb": "xvfb", "xvfb-run": "xvfb", "xauth": "xauth"}


def is_loadable(library: str) -> bool:
    """Return True if the system finds and loads the library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(*, with_screen: bool) -> list[str]:
    """Return the Debian packages whose library or program is not there."""
    missing = [
        package for library, package in LIBRARIES.items() if not is_loadable(library)
    ]
    if with_screen:
        missing += [
            package
            for program, package in SCREEN_PROGRAMS.items()
            if shutil.which(program) is None
        ]
    return list(dict.fromkeys(missing))


def install(packages: list[str]) -> int:
    """Install Debian packages as root and return the exit code of apt-get."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], env=environment, check=False)
    done = subprocess.run(
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages],
        env=environment,
        check=False,
    )
    return done.returncode


def main() -> int:
    """Install or name what is missing; return 0 if nothing is missing any more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--screen-if-needed",
        action="store_true",
        help="ask for Xvfb only where no display is set",
    )
    arguments = parser.parse_args()
    if not sys.platform.startswith("linux"):
        return 0
    has_display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    with_screen = not (arguments.screen_if_needed and has_display)
    missing = missing_packages(with_screen=with_screen)
    if not missing:
        return 0
    command = "apt-get install -y --no-install-recommends " + " ".join(missing)
    if shutil.which("apt-get") is None:
        print(
            "System libraries are missing; install what your system calls these "
            f"Debian packages, then start again: {' '.join(missing)}"
        )
        return 1
    if os.geteuid() != 0:
        print(
            "System libraries are missing and only root may install them. Run\n"
            f"    sudo apt-get update && sudo {command}\nand start again."
        )
        return 1
    print(f"Installing system libraries: {' '.join(missing)}", flush=True)
    install(missing)
    if still := missing_packages(with_screen=with_screen):
        print(f"These could not be installed: {' '.join(still)}. Try: {command}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
