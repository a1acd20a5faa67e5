"""What is learned from, how long, and, folded away, how."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel
from superqt.utils import signals_blocked

from napari_cellseg.controllers.training.train import TrainController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.widgets.basics.options_form import AdvancedForm, may_be_narrow
from napari_cellseg.widgets.basics.words import line_label, shortened

PRESETS = (
    ("quick", "quick"),
    ("thorough", "thorough"),
    ("from_scratch", "from scratch"),
)
SOURCES = {
    "image": "this image",
    "project": "the project's images",
    "folder": "a folder of pairs…",
}


class TrainOptionsForm(QWidget):
    """Chooses source and preset, and shows what there is and how long it takes.

    Signals
    -------
    failed : str
        Why a value cannot be.
    """

    failed = Signal(str)

    def __init__(self, train: TrainController) -> None:
        super().__init__()
        self._train = train
        self._build_fields()
        self._build_advanced()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Learn from", self.source)
        form.addRow("", self.folder)
        form.addRow("Starts from", self.start)
        form.addRow("Training", self.preset)
        form.addRow("", self.time)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(form)
        for part in (self.supply, self.warning, self.fold, self.advanced):
            layout.addWidget(part)
        self.refresh()

    def _build_fields(self) -> None:
        self.source = QComboBox()
        self.source.setToolTip(
            "Only what you checked is learned: locked cells, and all inside checked areas. "
            "Of a folder with images/ and masks/, everything."
        )
        may_be_narrow(self.source)
        self.source.activated.connect(self._on_source_activated)
        self.folder = QElidingLabel()
        self.folder.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.preset = QComboBox()
        self.preset.setToolTip(
            "quick: for 100 to 200 cells; thorough: for more; from scratch: forgets the "
            "old model, for images like no others."
        )
        may_be_narrow(self.preset)
        for value, words in PRESETS:
            self.preset.addItem(words, value)
        self.preset.currentIndexChanged.connect(self._on_preset_changed)
        self.start = line_label()
        self.start.setToolTip(
            "The model chosen on the tab Segment. It stays as it is; the new one is a copy "
            "that has learned more."
        )
        self.time = line_label()
        self.supply = line_label()
        self.warning = QLabel()
        self.warning.setWordWrap(True)

    def _build_advanced(self) -> None:
        self.fold = QToolButton()
        self.fold.setText("Advanced")
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.setArrowType(Qt.ArrowType.RightArrow)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.setToolTip("Steps, rates and shares; the presets suit most images.")
        self.fold.toggled.connect(self._on_fold_toggled)
        self.advanced = AdvancedForm(FineTuneOptions)
        self.advanced.changed.connect(self._on_option_changed)
        self.advanced.hide()

    # -------------------------------------------------------------- from the view
    def _on_source_activated(self, index: int) -> None:
        kind = self.source.itemData(index)
        folder = ""
        if kind == "folder":
            folder = QFileDialog.getExistingDirectory(
                self, "A folder of images/ and masks/, or a data set"
            )
            if not folder:
                self.refresh()
                return
        self._train.choose_source(kind, Path(folder) if folder else None)

    def _on_preset_changed(self, index: int) -> None:
        self._train.set_option("preset", self.preset.itemData(index))

    def _on_option_changed(self, name: str, value: object) -> None:
        try:
            self._train.set_option(name, value)
        except CellsegError as error:
            self.failed.emit(str(error))

    def _on_fold_toggled(self, is_open: bool) -> None:  # noqa: FBT001 - Qt's signal
        self.advanced.setVisible(is_open)
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.fold.setArrowType(arrow)

    # -------------------------------------------------------- from the controller
    def refresh(self) -> None:
        """Show what the controller holds."""
        train, source = self._train, self._train.source
        kinds = list(source.kinds)
        with signals_blocked(self.source):
            if kinds != [self.source.itemData(i) for i in range(self.source.count())]:
                self.source.clear()
                for kind in kinds:
                    self.source.addItem(SOURCES[kind], kind)
            self.source.setCurrentIndex(
                kinds.index(source.kind) if source.kind in kinds else 0
            )
        self.folder.setText("" if source.folder is None else str(source.folder))
        self.folder.setToolTip(self.folder.text())
        self.folder.setVisible(source.folder is not None)
        with signals_blocked(self.preset):
            self.preset.setCurrentIndex(self.preset.findData(train.options.preset))
        self.advanced.show_options(train.options)
        self.start.setText(shortened(train.start_words))
        self.start.setToolTip(train.start_words)
        self.time.setText(train.time_words)
        self.supply.setText(train.words)
        self.warning.setText(f"⚠ {train.warning}" if train.warning else "")
        self.warning.setVisible(bool(train.warning))
        self.setEnabled(not train.task.is_running)
