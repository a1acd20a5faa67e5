"""One line of a check-up: what was looked at, what was seen, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    subject : str
        What was looked at.
    state : "ok", "warning" or "problem"
        A warning is something that only some people need.
    seen : str
        What was found.
    remedy : str
        What to do, or ``""`` if nothing needs doing.
    """

    subject: str
    state: State
    seen: str
    remedy: str = ""
