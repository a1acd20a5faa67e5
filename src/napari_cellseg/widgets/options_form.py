"""Fields made from the ranges of the options: the only place of bounds and help."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox
from superqt import QLabeledDoubleSlider

from napari_cellseg.core.options import SegmentOptions, range_of


def threshold_slider(name: str) -> Any:
    """Return a slider for an option from 0 to 1."""
    range_ = range_of(SegmentOptions, name)
    slider: Any = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(range_.minimum or 0.0, range_.maximum or 1.0)
    slider.setSingleStep(range_.step)
    slider.setDecimals(2)
    slider.setToolTip(range_.help)
    return slider


def number_field(name: str) -> QDoubleSpinBox:
    """Return a field for an option that is a real number with a unit."""
    range_ = range_of(SegmentOptions, name)
    field = QDoubleSpinBox()
    field.setRange(range_.minimum or 0.0, range_.maximum or 1e6)
    field.setSingleStep(range_.step)
    field.setDecimals(1)
    field.setSuffix(f" {range_.unit}" if range_.unit else "")
    field.setToolTip(range_.help)
    field.setKeyboardTracking(False)
    return field


def count_field(name: str) -> QSpinBox:
    """Return a field for an option that is a whole number with a unit."""
    range_ = range_of(SegmentOptions, name)
    field = QSpinBox()
    field.setRange(int(range_.minimum or 0), int(range_.maximum or 2**31 - 1))
    field.setSuffix(f" {range_.unit}" if range_.unit else "")
    field.setToolTip(range_.help)
    field.setKeyboardTracking(False)
    return field


def may_be_narrow(menu: QComboBox) -> None:
    """Let a menu be narrower than its longest entry, as a dock has to be."""
    menu.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    menu.setMinimumContentsLength(8)
