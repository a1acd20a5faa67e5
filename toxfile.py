"""Say which Python is needed before tox installs anything; tox reads this file by itself.

pip would say it as well, after minutes of downloads and in a page of text.
"""

import sys

NEEDED = (3, 11)


def check_python() -> None:
    """Stop with one sentence where Python is too old.

    Raises
    ------
    SystemExit
        If this Python is older than `NEEDED`.
    """
    if tuple(sys.version_info[:2]) < NEEDED:
        seen = ".".join(str(part) for part in sys.version_info[:3])
        needed = ".".join(str(part) for part in NEEDED)
        raise SystemExit(
            f"This is Python {seen} ({sys.executable}), and Python {needed} or newer is "
            f"needed. Start again with one, for instance: python{needed} -m pip install "
            f"tox && python{needed} -m tox -e app"
        )


check_python()
