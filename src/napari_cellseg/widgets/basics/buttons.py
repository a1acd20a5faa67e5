"""Buttons that several windows make alike."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu, QPushButton


def dialog_button(text: str, tip: str) -> QPushButton:
    """Return a button of a dialog, which Enter in a field does not press."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    return button


def canvas_button(text: str, tip: str) -> QPushButton:
    """Return a button of a tool; the keys go on to the canvas after a click."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def more_button(menu: QMenu, tip: str) -> QPushButton:
    """Return a narrow button that opens a menu of what is rarely needed."""
    button = canvas_button("⋯", tip)
    button.setMaximumWidth(3 * button.fontMetrics().height())
    button.setMenu(menu)
    return button
