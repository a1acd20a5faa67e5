"""Fields made from the ranges of the options: the only place of bounds and help."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any, get_args, get_type_hints

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QSpinBox,
    QWidget,
)
from superqt import QLabeledDoubleSlider
from superqt.utils import signals_blocked

from napari_cellseg.core.options import UNIT_SUFFIXES, Range, SegmentOptions, range_of
from napari_cellseg.widgets.basics.number_box import NumberBox, use_plain_numbers

#: What a field shows that is left to the preset.
UNSET_TEXT = "as the preset"


def threshold_slider(name: str) -> Any:
    """Return a slider for an option from 0 to 1."""
    range_ = range_of(SegmentOptions, name)
    slider: Any = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(range_.minimum or 0.0, range_.maximum or 1.0)
    slider.setSingleStep(range_.step)
    slider.setDecimals(2)
    slider.setToolTip(range_.help)
    use_plain_numbers(slider)
    return slider


def number_field(name: str) -> NumberBox:
    """Return a field for an option that is a real number with a unit."""
    range_ = range_of(SegmentOptions, name)
    field = NumberBox()
    field.setRange(range_.minimum or 0.0, range_.maximum or 1e6)
    field.setSingleStep(range_.step)
    field.setDecimals(1)
    field.setSuffix(f" {range_.unit}" if range_.unit else "")
    field.setToolTip(range_.help)
    _settle(field)
    return field


def _settle(field: QAbstractSpinBox) -> None:
    """Take what is typed when it is complete; out of range, the nearest that is in it."""
    field.setKeyboardTracking(False)
    field.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToNearestValue)


def count_field(name: str) -> QSpinBox:
    """Return a field for an option that is a whole number with a unit."""
    range_ = range_of(SegmentOptions, name)
    field = QSpinBox()
    field.setRange(int(range_.minimum or 0), int(range_.maximum or 2**31 - 1))
    field.setSuffix(f" {range_.unit}" if range_.unit else "")
    field.setToolTip(range_.help)
    _settle(field)
    return field


def may_be_narrow(menu: QComboBox) -> None:
    """Let a menu be narrower than its longest entry, as a dock has to be."""
    menu.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    menu.setMinimumContentsLength(8)


class AdvancedForm(QWidget):
    """A field for each option that is a number and marked as advanced.

    Parameters
    ----------
    options_type : type
        A dataclass whose fields are made by `core.options.option`.

    Signals
    -------
    changed : str, object
        Name of the option and its value; None leaves it to the preset.
    """

    changed = Signal(str, object)

    def __init__(self, options_type: type) -> None:
        super().__init__()
        self.fields: dict[str, QSpinBox | NumberBox] = {}
        form = QFormLayout(self)
        form.setContentsMargins(12, 0, 0, 0)
        types = get_type_hints(options_type)
        for item in fields(options_type):
            range_: Range = item.metadata["range"]
            if not range_.advanced or range_.choices:
                continue
            field = _NumberField(item.name, types[item.name], range_)
            field.chosen.connect(self.changed)
            self.fields[item.name] = field.box
            form.addRow(_title(item.name), field.box)
            field.setParent(self)

    def show_options(self, options: Any) -> None:
        """Show the values of some options."""
        for name, box in self.fields.items():
            value = getattr(options, name)
            with signals_blocked(box):
                number: Any = box.minimum() if value is None else value
                box.setValue(number)


class _NumberField(QWidget):
    """A spin box for one option; below its minimum it says that nothing is set."""

    chosen = Signal(str, object)

    def __init__(self, name: str, type_: Any, range_: Range) -> None:
        super().__init__()
        self.hide()
        self._name = name
        is_whole = int in (type_, *get_args(type_))
        self._may_be_unset = type(None) in get_args(type_)
        self.box = self._whole_box(range_) if is_whole else self._real_box(range_)
        self.box.setSuffix(f" {range_.unit}" if range_.unit else "")
        self.box.setSpecialValueText(UNSET_TEXT if self._may_be_unset else "")
        self.box.setToolTip(range_.help)
        self.box.setKeyboardTracking(False)
        self.box.valueChanged.connect(self._on_value_changed)

    def _whole_box(self, range_: Range) -> QSpinBox | NumberBox:
        """Return a box for whole numbers."""
        box, step = QSpinBox(), int(range_.step)
        low = int(range_.minimum or 0)
        high = 2**31 - 1 if range_.maximum is None else int(range_.maximum)
        box.setRange(low - step if self._may_be_unset else low, high)
        box.setSingleStep(step)
        return box

    def _real_box(self, range_: Range) -> QSpinBox | NumberBox:
        """Return a box for real numbers; its digits show a tenth of a step."""
        box, step = NumberBox(), range_.step
        box.setDecimals(max(2, math.ceil(-math.log10(step)) + 1))
        low = range_.minimum or 0.0
        high = 1e6 if range_.maximum is None else range_.maximum
        box.setRange(low - step if self._may_be_unset else low, high)
        box.setSingleStep(step)
        return box

    def _on_value_changed(self, value: float) -> None:
        is_unset = self._may_be_unset and value == self.box.minimum()
        self.chosen.emit(self._name, None if is_unset else value)


def _title(name: str) -> str:
    """Return the name of an option as it stands before its field."""
    for suffix in UNIT_SUFFIXES:
        name = name.removesuffix(suffix)
    return name.replace("_", " ").capitalize()
