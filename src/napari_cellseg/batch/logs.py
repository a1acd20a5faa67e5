"""What is logged to the terminal, in the program and in the processes that it starts."""

from __future__ import annotations

import logging


def set_up_logging(level: int) -> None:
    """Log what is at least as grave as `level` to standard error."""
    logging.basicConfig(level=level)
    if level > logging.DEBUG:
        # What it says of damaged files stands in our own sentence.
        logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def level_in_use() -> int:
    """Return the level that was set up here, for another process to use."""
    return logging.getLogger().level
