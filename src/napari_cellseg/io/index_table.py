"""Tables that come with image sets."""

from __future__ import annotations

import csv
from pathlib import Path


def read_index(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
