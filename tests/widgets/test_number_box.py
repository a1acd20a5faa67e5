"""Numbers typed on computers of other languages."""

from collections.abc import Iterator

import pytest
from qtpy.QtCore import QLocale, Qt
from qtpy.QtGui import QDoubleValidator
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

from napari_cellseg.widgets.basics.number_box import NumberBox
from napari_cellseg.widgets.basics.options_form import number_field, threshold_slider


@pytest.fixture(params=["de_DE", "en_US"])
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let Qt believe that the computer speaks this language."""
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield request.param
    QLocale.setDefault(before)


def type_into(box: NumberBox, text: str) -> None:
    """Type over what stands in a field, and end with Enter."""
    box.selectAll()
    QTest.keyClicks(box, text)
    QTest.keyClick(box, Qt.Key.Key_Return)


@pytest.mark.parametrize("text", ["0.325", "0,325"])
def test_point_and_comma_are_the_same_number(qtbot, language, text) -> None:
    box = NumberBox()
    qtbot.addWidget(box)
    box.setDecimals(4)
    box.setRange(0.0001, 10_000)
    box.setSuffix(" µm/px")

    type_into(box, text)

    assert box.value() == 0.325
    assert box.text() == "0.3250 µm/px"


def test_a_diameter_with_a_tenth_is_not_ten_times_as_long(qtbot, language) -> None:
    field = number_field("diameter_px")
    qtbot.addWidget(field)

    type_into(field, "30.5")

    assert field.value() == 30.5


def test_nothing_stands_between_thousands(qtbot, language) -> None:
    box = NumberBox()
    qtbot.addWidget(box)
    box.setRange(0, 1e6)
    box.setDecimals(1)

    box.setValue(12345.5)

    assert box.text() == "12345.5"


def test_a_slider_takes_a_typed_threshold(qtbot, language) -> None:
    slider = threshold_slider("foreground_threshold")
    qtbot.addWidget(slider)
    label = slider.findChild(QLineEdit)

    validator = label.findChild(QDoubleValidator)

    assert validator.validate("0.35", 4)[0] == QDoubleValidator.State.Acceptable
