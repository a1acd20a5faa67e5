"""Run a command with a screen of its own: ``python tools/on_screen.py COMMAND...``.

On Linux the command runs under Xvfb, so that windows of tests neither need a display nor
get in a person's way; elsewhere it runs as it is. `SEE_WINDOWS=1` shows the windows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

SCREEN = "-screen 0 1600x1000x24"


def main() -> int:
    """Run the command and return its exit code."""
    command = sys.argv[1:]
    if not command:
        print(__doc__)
        return 2
    program = shutil.which("xvfb-run")
    if sys.platform.startswith("linux") and not os.environ.get("SEE_WINDOWS"):
        if program is None:
            print("xvfb-run is missing; run: python tools/system_libraries.py")
            return 1
        command = [program, "-a", "-s", SCREEN, *command]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
