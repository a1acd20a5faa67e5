"""What is filled in to train a model at AWS."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_cellseg.cloud.sagemaker.training import TrainWish
from napari_cellseg.core.cloud_options import TrainJobOptions
from napari_cellseg.core.options import range_of
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.widgets.aws.cloud_deploy import offer
from napari_cellseg.widgets.basics.number_box import NumberBox
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.training.train import CURVE_WORDS, CurveView


class TrainFields(QWidget):
    """Data, model, computer; says when one of them changes."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.data = QLineEdit()
        self.data.setPlaceholderText("project.cellseg, a folder, or s3://bucket/set/")
        self.data.setToolTip(
            "A project or folder on this computer is uploaded, only what is checked; a "
            "folder in S3 has images/ and masks/."
        )
        self.name = QLineEdit("my-model")
        self.name.setToolTip("Name of the new model.")
        self.model = QComboBox()
        self.preset = QComboBox()
        preset = range_of(FineTuneOptions, "preset")
        self.preset.addItems(list(preset.choices))
        self.preset.setToolTip(preset.help)
        self.computer = QLineEdit(TrainJobOptions().instance_type)
        self.hours = NumberBox()
        limits = range_of(TrainJobOptions, "max_hours")
        self.hours.setRange(limits.minimum or 0.0, limits.maximum or 1.0)
        self.hours.setSuffix(" h")
        self.hours.setValue(TrainJobOptions().max_hours)
        self.hours.setToolTip(limits.help)
        self.spot = QCheckBox("Spare computers (spot)")
        self.spot.setToolTip(range_of(TrainJobOptions, "spot").help)
        self.price = QLabel()
        self.price.setWordWrap(True)
        self.curve, self.curve_words = CurveView(), line_label()
        self.curve_words.setText(CURVE_WORDS)
        self.button = QPushButton("Train there")
        self.button.setToolTip("Train, follow the curve, and fetch the new model.")
        self.button.setAutoDefault(False)
        self._lay_out()
        self.computer.textChanged.connect(self.changed)
        self.hours.valueChanged.connect(self.changed)
        self.spot.toggled.connect(self.changed)

    def _lay_out(self) -> None:
        self.form = QWidget()
        form = QFormLayout(self.form)
        form.setContentsMargins(0, 0, 0, 0)
        for title, part in (
            ("Learn from", self.data),
            ("New model", self.name),
            ("Start from", self.model),
            ("Effort", self.preset),
            ("Computer", self.computer),
            ("At most", self.hours),
            ("", self.spot),
        ):
            form.addRow(title, part)
        layout = QVBoxLayout(self)
        for shown in (self.form, self.curve, self.curve_words, self.price):
            layout.addWidget(shown)
        layout.addWidget(self.button)
        layout.addStretch()

    def offer(self, models: list[str]) -> None:
        """Offer models to start from; what is chosen stays."""
        offer(self.model, models)

    def show_curve(
        self, curve: list[CurvePoint], n_steps: int, *, is_training: bool
    ) -> None:
        """Show how far a training is in the place of what was filled in for it."""
        self.form.setVisible(not is_training)
        for part in (self.curve, self.curve_words):
            part.setVisible(is_training)
        self.curve.show_curve(curve, n_steps)

    def wish(self) -> TrainWish:
        """Return what is wanted."""
        return TrainWish(
            self.data.text().strip(), self.name.text().strip(), self.model.currentText()
        )

    def options(self) -> FineTuneOptions:
        """Return how to learn."""
        return FineTuneOptions(preset=self.preset.currentText())

    def machine(self) -> TrainJobOptions:
        """Return on what; raises `OptionsError`."""
        return TrainJobOptions(
            instance_type=self.computer.text().strip(),
            max_hours=self.hours.value(),
            spot=self.spot.isChecked(),
        )
