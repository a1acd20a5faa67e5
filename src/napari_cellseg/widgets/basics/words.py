"""Text in the theme's colours."""

from __future__ import annotations

from html import escape
from typing import Any, Literal

from napari.utils.theme import get_theme
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QWidget

from napari_cellseg.core.counted import counted

#: What to do on a tab that needs cells.
NO_CELLS = "No cells yet: press Segment in the tab Segment."

#: The property of a label that keeps its text and tone.
SAID = "said"

#: Of a QColor, 0 to 255.
MIDDLE_LIGHTNESS = 128
#: Gives the warning yellow more than 4.5 : 1 on the background of the light theme.
DARKER_PERCENT = 220
#: Gives the red of errors more than 4.5 : 1 on dark and on light themes, 0 to 1.
RED_LIGHTNESS = (0.72, 0.335)

Tone = Literal["plain", "warning", "error", "dim"]


#: A longer word, such as the name of a file, would make the dock as wide as itself.
LONGEST_WORD = 30


def shortened(text: str) -> str:
    """Return a text in which the middle of words too long for a line is left out."""
    half = LONGEST_WORD // 2
    words = text.split(" ")
    return " ".join(
        f"{word[:half]}…{word[-half:]}" if len(word) > LONGEST_WORD else word
        for word in words
    )


def line_label(parent: QWidget | None = None) -> QLabel:
    """Return a label that wraps and can be copied from."""
    label = QLabel(parent)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def say(label: QLabel, text: str, tone: Tone, theme: str) -> None:
    """Show text in a tone; a warning or error has a sign as well as a colour.

    Parameters
    ----------
    label : QLabel
        From `line_label`.
    text : str
        Plain text.
    tone : Tone
        What it is.
    theme : str
        Name of napari's theme.
    """
    label.setProperty(SAID, [text, tone])
    words = escape(text)
    sign = {"warning": "⚠ ", "error": "✕ "}.get(tone, "")
    colour = colour_of(tone, theme)
    label.setText(f'<span style="color:{colour}">{sign}{words}</span>' if text else "")


def say_again(root: QWidget, theme: str) -> None:
    """Show what was said anywhere in a widget in the colours of another theme."""
    for label in root.findChildren(QLabel):
        if said := label.property(SAID):
            text, tone = said
            say(label, text, tone, theme)


def colour_of(tone: Tone, theme: str) -> str:
    """Return the theme's colour of a tone, so that it can be read on the dock.

    napari has one yellow of warnings and one red of errors for all themes: that is too
    light on a light one, this neither light nor dark enough.
    """
    colours: Any = get_theme(theme)
    is_light = QColor(colours.background.as_hex()).lightness() > MIDDLE_LIGHTNESS
    if tone == "warning" and is_light:
        yellow = QColor(colours.warning.as_hex())
        return str(yellow.darker(DARKER_PERCENT).name())
    if tone == "error":
        hue, saturation, _, _ = QColor(colours.error.as_hex()).getHslF()
        lightness = RED_LIGHTNESS[is_light]
        return str(QColor.fromHslF(hue, saturation, lightness).name())
    chosen = {
        "plain": colours.text,
        "dim": colours.icon,
        "warning": colours.warning,
    }[tone]
    return str(chosen.as_hex())


def result_line(
    n_cells: int, n_kept: int, seconds: float, *, is_blank: bool = False
) -> tuple[str, Tone]:
    """Return the one line about a run, and its tone, "plain" or "warning"."""
    if not n_cells and is_blank:
        text = (
            "No cells: all pixels have the same value, or none (NaN). Check the file and "
            "the channel."
        )
        return text, "warning"
    if not n_cells:
        text = (
            "No cells found. Check channel and diameter, or lower 'Cell extent' under "
            "'Fine-tune the result'."
        )
        return text, "warning"
    parts = [counted(n_cells, "cell"), f"{seconds:.1f} s"]
    if n_kept:
        parts.append(f"kept {n_kept} you edited")
    return " · ".join(parts), "plain"
