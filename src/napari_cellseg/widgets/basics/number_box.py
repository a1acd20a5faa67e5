"""Fields for numbers that read a comma and a point alike, whatever the computer's language."""

from __future__ import annotations

from qtpy.QtCore import QLocale
from qtpy.QtGui import QDoubleValidator, QValidator
from qtpy.QtWidgets import QDoubleSpinBox, QWidget


class NumberBox(QDoubleSpinBox):
    """A field for a real number: "0.325" and "0,325" are the same everywhere.

    Qt's own reads the mark of the other language as one between thousands: where a comma
    is the decimal mark, "0.325" became 325. The number is shown with a point, as it is in
    the table and in the CSV.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(plain_locale())

    def validate(self, text: str | None, pos: int) -> tuple[QValidator.State, str, int]:
        """Say whether a text is a number so far, with its comma as a point."""
        return super().validate(_with_point(text), pos)

    def valueFromText(self, text: str | None) -> float:
        """Return the number that a text says."""
        return super().valueFromText(_with_point(text))


def plain_locale() -> QLocale:
    """Return a locale with a decimal point and nothing between thousands."""
    locale = QLocale.c()
    options = QLocale.NumberOption
    locale.setNumberOptions(options.OmitGroupSeparator | options.RejectGroupSeparator)
    return locale


def use_plain_numbers(widget: QWidget) -> None:
    """Let the number fields of somebody else's widget read a decimal point."""
    widget.setLocale(plain_locale())
    for validator in widget.findChildren(QDoubleValidator):
        validator.setLocale(plain_locale())


def _with_point(text: str | None) -> str:
    return (text or "").replace(",", ".")
