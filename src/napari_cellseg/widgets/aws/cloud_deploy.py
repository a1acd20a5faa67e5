"""What is filled in to make an endpoint, and what is shown before it is made."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QWidget,
)

from napari_cellseg.controllers.aws.cloud import DeployWish, Preview
from napari_cellseg.core.cloud_options import DeployOptions, PlaceOptions
from napari_cellseg.core.options import range_of
from napari_cellseg.widgets.basics.number_box import NumberBox

MODES = {
    "real-time": "Answers at once, costs all the time",
    "serverless": "No graphics card, up to 4 MB; costs while it works",
    "async": "Through S3, up to 1 GB; sleeps when idle",
}


class DeployFields(QWidget):
    """Model, name, computer; says when one of them changes."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model = QComboBox()
        self.name = QLineEdit("cellseg")
        self.name.setToolTip("An endpoint of this name gets the new model.")
        self.mode = QComboBox()
        for mode, words in MODES.items():
            self.mode.addItem(f"{mode}: {words}", mode)
        self.computer = QLineEdit(DeployOptions().instance_type)
        self.computer.setToolTip(range_of(DeployOptions, "instance_type").help)
        self.hours = NumberBox()
        limits = range_of(DeployOptions, "stop_after_hours")
        self.hours.setRange(limits.minimum or 0.0, limits.maximum or 1.0)
        self.hours.setDecimals(0)
        self.hours.setSuffix(" h")
        self.hours.setValue(DeployOptions().stop_after_hours)
        self.hours.setToolTip(limits.help)
        self.price = QLabel()
        self.price.setWordWrap(True)
        self.button = QPushButton("Deploy…")
        self.button.setAutoDefault(False)
        self.mode.currentIndexChanged.connect(self.changed)
        self.computer.textChanged.connect(self.changed)
        self.hours.valueChanged.connect(self.changed)
        form = QFormLayout(self)
        for title, part in (
            ("Model", self.model),
            ("Name", self.name),
            ("Mode", self.mode),
            ("Computer", self.computer),
            ("Gone after", self.hours),
        ):
            form.addRow(title, part)
        form.addRow(self.price)
        form.addRow(self.button)

    def offer(self, models: list[str]) -> None:
        """Offer models to deploy; what is chosen stays."""
        offer(self.model, models)

    def options(self) -> DeployOptions:
        """Return how to deploy; raises `OptionsError`."""
        return DeployOptions(
            mode=str(self.mode.currentData()),
            instance_type=self.computer.text().strip(),
            stop_after_hours=self.hours.value(),
        )

    def wish(self, place: PlaceOptions) -> DeployWish:
        """Return what is wanted; raises `OptionsError`."""
        name = self.name.text().strip()
        return DeployWish(self.model.currentText(), name, self.options(), place)


def offer(menu: QComboBox, names: list[str]) -> None:
    """Offer other names in a menu; what is chosen stays if it is still there."""
    chosen = menu.currentText()
    menu.clear()
    menu.addItems(names)
    menu.setCurrentText(chosen)


def ask_person(parent: QWidget, name: str, preview: Preview) -> bool:
    """Show what would be made and what it costs; return whether to make it."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(f"Deploy {name}")
    box.setText(f"{preview.title}\n{preview.price}")
    steps = "\n".join(f"• {step}" for step in preview.steps)
    box.setInformativeText(
        f"Nothing is made yet. This is what will be done:\n{steps}\nIf a step fails, what "
        "was made is deleted again."
    )
    box.setDetailedText(preview.requests)
    make = box.addButton("Make it", QMessageBox.ButtonRole.AcceptRole)
    leave = box.addButton("Not now", QMessageBox.ButtonRole.RejectRole)
    # Money does not hang on a key that was pressed too often.
    box.setDefaultButton(leave)
    box.setEscapeButton(leave)
    box.exec()
    return box.clickedButton() is make
