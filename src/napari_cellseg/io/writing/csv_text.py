"""Text that a spreadsheet takes for text.

A cell that begins with one of ``= + - @``, a tab or a line end is run as a formula by
spreadsheet programs, and the name of a file is in the hand of whoever made the file.
Such text gets a leading ``'``, as OWASP advises ("CSV Injection"). Two things are ours:
a text that begins with ``'`` gets another, so that `original_text` brings every text
back; and the same is done after ``;``, tabs and line ends inside a text, at which
programs of other languages begin a new cell.
"""

from __future__ import annotations

import re

# Formula signs, also full width, which spreadsheets fold into the plain ones.
_DANGER = "'=+\\-@＝＋－＠\\t\\r\\n"
_NEEDS_QUOTE = re.compile(rf"(?:^|(?<=[;\t\r\n]))(?=[ \u00a0\u3000]*[{_DANGER}])")
_HAS_QUOTE = re.compile(r"(?:^|(?<=[;\t\r\n]))'")
# A plain number is no formula, whatever its sign.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def safe_text(text: str) -> str:
    """Return a text as it can stand in a CSV; see `original_text` for the way back."""
    return text if _NUMBER.fullmatch(text) else _NEEDS_QUOTE.sub("'", text)


def original_text(text: str) -> str:
    """Return the text that `safe_text` was given."""
    return _HAS_QUOTE.sub("", text)
