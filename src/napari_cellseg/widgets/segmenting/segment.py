"""The tab "Image & model": model, channel, diameter, region, thresholds."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.segmenting.segment import RegionKind, SegmentController
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions, range_of
from napari_cellseg.widgets.basics.options_form import (
    count_field,
    may_be_narrow,
    number_field,
    threshold_slider,
)
from napari_cellseg.widgets.images.channels import ChannelRows
from napari_cellseg.widgets.segmenting.place import PlaceRow

REGIONS: tuple[tuple[RegionKind, str, str], ...] = (
    ("whole", "whole", "The whole image, every plane and time point."),
    ("view", "view", "What is on screen now, on this plane only: quick to try."),
    ("drawn", "drawn", "Inside the last shape of a shapes layer, on this plane only."),
)
DEFAULT_DIAMETER_PX = 24.0
FINE_TITLE = "Fine-tune the result"
#: What stands under that title, as long as nobody moves it.
_USUAL = {
    name: getattr(SegmentOptions(), name)
    for name in ("foreground_threshold", "seed_threshold", "min_area_px")
}


class SegmentTab(QWidget):
    """Shows and sets what `SegmentController` holds."""

    diameter_wanted = Signal(bool)
    drawn_wanted = Signal()

    def __init__(self, segment: SegmentController) -> None:
        super().__init__()
        self._segment = segment
        self._build_model()
        self._build_diameter()
        self._build_region()
        self._build_fine()
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Model", self.model_row)
        form.addRow("Run on", self.place)
        self.channels = ChannelRows(segment, form)
        form.addRow("Quality", self.preset)
        form.addRow("Diameter", self.diameter_row)
        form.addRow("Region", self.region_row)
        self.planes_title = QLabel("Planes")
        form.addRow(self.planes_title, self.planes)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(form)
        layout.addWidget(self.fine_button)
        layout.addWidget(self.fine)
        layout.addStretch(1)
        segment.changed.connect(self.refresh)
        segment.proofread.opened.connect(self.refresh)
        segment.session.pixel_size_changed.connect(self.refresh)
        self.refresh()

    def add_box(self, box: QWidget) -> None:
        """Take a box below all else."""
        layout = self.layout()
        if isinstance(layout, QVBoxLayout):
            layout.insertWidget(layout.count() - 1, box)

    # -------------------------------------------------------------------- building
    def _build_model(self) -> None:
        self.model_row = QWidget()
        row = QHBoxLayout(self.model_row)
        row.setContentsMargins(0, 0, 0, 0)
        self.model = QComboBox()
        self.model.setToolTip("What looks for the cells.")
        may_be_narrow(self.model)
        self.model.currentIndexChanged.connect(self._on_model_changed)
        self.model_info = QPushButton("i")
        self.model_info.setMaximumWidth(28)
        self.model_info.clicked.connect(self._on_info_clicked)
        row.addWidget(self.model, 1)
        row.addWidget(self.model_info)
        self.place = PlaceRow(self._segment)
        self.preset = QComboBox()
        may_be_narrow(self.preset)
        self.preset.addItems(list(range_of(SegmentOptions, "preset").choices))
        self.preset.setToolTip(range_of(SegmentOptions, "preset").help)
        self.preset.currentTextChanged.connect(self._on_preset_changed)

    def _build_diameter(self) -> None:
        self.diameter_row = QWidget()
        column = QVBoxLayout(self.diameter_row)
        column.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        column.addLayout(row)
        self.diameter_auto = QCheckBox("auto")
        self.diameter_auto.setToolTip("Find the size of the cells in the image.")
        self.diameter_auto.toggled.connect(self._on_diameter_auto)
        self.diameter = number_field("diameter_px")
        self.diameter.setMinimumWidth(60)
        policy = self.diameter.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.diameter.setSizePolicy(policy)
        self.diameter.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.diameter_um = QLabel("")
        self.diameter.valueChanged.connect(self._on_diameter_changed)
        self.diameter_draw = QPushButton("on image")
        self.diameter_draw.setCheckable(True)
        self.diameter_draw.setToolTip("Drag a circle over a typical cell in the image.")
        self.diameter_draw.clicked.connect(self.diameter_wanted)
        row.addWidget(self.diameter_auto)
        row.addWidget(self.diameter, 1)
        row.addWidget(self.diameter_draw)
        # Beside the field it would push the button out of a dock of the usual width.
        column.addWidget(self.diameter_um)

    def _build_region(self) -> None:
        self.region_row = QWidget()
        row = QHBoxLayout(self.region_row)
        row.setContentsMargins(0, 0, 0, 0)
        self.planes = QCheckBox("join into 3-D cells")
        self.planes.setToolTip(range_of(SegmentOptions, "join_planes").help)
        self.planes.toggled.connect(self._on_planes_toggled)
        self.region = QButtonGroup(self)
        self.region_buttons = []
        for index, (_, title, tip) in enumerate(REGIONS):
            button = QRadioButton(title)
            button.setToolTip(tip)
            self.region.addButton(button, index)
            self.region_buttons.append(button)
            row.addWidget(button)
        row.addStretch(1)
        self.region.idClicked.connect(self._on_region_clicked)

    def _build_fine(self) -> None:
        self.fine_button = QToolButton()
        self.fine_button.setCheckable(True)
        self.fine_button.setAutoRaise(True)
        self.fine_button.setArrowType(Qt.ArrowType.RightArrow)
        self.fine_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fine_button.setToolTip(
            "Move thresholds; the cells follow at once. What is moved holds for the next "
            "image too."
        )
        self.fine_button.toggled.connect(self._on_fine_toggled)
        self.fine = QWidget()
        grid = QGridLayout(self.fine)
        grid.setContentsMargins(12, 0, 0, 0)
        self.foreground = threshold_slider("foreground_threshold")
        self.seeds = threshold_slider("seed_threshold")
        self.min_area = count_field("min_area_px")
        self.fine_note = QLabel("Segment first; then the cells follow the sliders.")
        self.fine_note.setWordWrap(True)
        for index, (title, widget) in enumerate(
            (("Cell extent", self.foreground), ("Splitting", self.seeds),
             ("Smallest cell", self.min_area))
        ):  # fmt: skip
            grid.addWidget(QLabel(title), index, 0)
            grid.addWidget(widget, index, 1)
        self.reset_button = QPushButton("As the model says")
        self.reset_button.setToolTip("Take the thresholds that suit the model best.")
        self.reset_button.clicked.connect(self._on_reset_clicked)
        self.seen_button = QPushButton("Show what it sees")
        self.seen_button.setToolTip(
            "Add two layers: how likely each pixel is of a cell, and a mask of that."
        )
        grid.addWidget(self.reset_button, 3, 1)
        grid.addWidget(self.seen_button, 4, 1)
        grid.addWidget(self.fine_note, 5, 0, 1, 2)
        self.foreground.valueChanged.connect(self._on_foreground_moved)
        self.seeds.valueChanged.connect(self._on_seeds_moved)
        self.min_area.valueChanged.connect(self._on_min_area_changed)
        self.fine.hide()

    # ------------------------------------------------------------------ from the view
    def _on_model_changed(self, index: int) -> None:
        if 0 <= index < len(self._segment.models):
            self._segment.choose_model(self._segment.models[index].name)

    def _on_info_clicked(self) -> None:
        """Show what the model is, also to those who do not hover."""
        place = self.model_info.mapToGlobal(self.model_info.rect().bottomLeft())
        QToolTip.showText(place, self.model_info.toolTip(), self.model_info)

    def _on_preset_changed(self, preset: str) -> None:
        self._segment.set_option("preset", preset)

    def _on_diameter_auto(self, is_auto: bool) -> None:  # noqa: FBT001 - Qt's signal
        value = None if is_auto else self.diameter.value()
        self._segment.set_option("diameter_px", value)

    def _on_diameter_changed(self, value: float) -> None:
        self._segment.set_option("diameter_px", value)

    def _on_planes_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - Qt's signal
        self._segment.redecode(join_planes=is_on)

    def _on_region_clicked(self, index: int) -> None:
        self._segment.set_region_kind(REGIONS[index][0])
        if REGIONS[index][0] == "drawn":
            self.drawn_wanted.emit()

    def _on_fine_toggled(self, is_open: bool) -> None:  # noqa: FBT001 - Qt's signal
        self.fine.setVisible(is_open)
        arrow = Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow
        self.fine_button.setArrowType(arrow)

    def _on_reset_clicked(self) -> None:
        self._segment.redecode(**_USUAL)

    def _on_foreground_moved(self, value: float) -> None:
        self._segment.redecode(foreground_threshold=round(value, 3))

    def _on_seeds_moved(self, value: float) -> None:
        self._segment.redecode(seed_threshold=round(value, 3))

    def _on_min_area_changed(self, value: int) -> None:
        self._segment.redecode(min_area_px=value)

    # ------------------------------------------------------------- from the controller
    def refresh(self) -> None:
        """Show what the controller holds."""
        self._show_model()
        self.channels.refresh()
        self._show_diameter()
        self._show_planes()
        kind = self._segment.region_kind
        for index, (name, _, _) in enumerate(REGIONS):
            self.region_buttons[index].setChecked(name == kind)
        with signals_blocked(self.preset):
            self.preset.setCurrentText(self._segment.options.preset)
        self._show_thresholds()

    def _show_model(self) -> None:
        segment = self._segment
        titles = [spec.title for spec in segment.models]
        absent = [f"{title} (not installed)" for title, _ in segment.missing]
        with signals_blocked(self.model):
            shown = [self.model.itemText(i) for i in range(self.model.count())]
            if shown != [*titles, *absent]:
                self.model.clear()
                self.model.addItems([*titles, *absent])
                self._grey_out(len(titles))
            if segment.model is not None:
                self.model.setCurrentIndex(segment.models.index(segment.model))
        self.model.setEnabled(bool(titles))
        self.model_info.setToolTip(model_text(segment.model))

    def _grey_out(self, first: int) -> None:
        """Let programs that are not installed be seen, with what installs them."""
        items = self.model.model()
        if not isinstance(items, QStandardItemModel):
            return
        for place, (title, install) in enumerate(self._segment.missing, start=first):
            if (item := items.item(place)) is not None:
                item.setEnabled(False)
            tip = f"To have the models of {title} here: {install}"
            self.model.setItemData(place, tip, Qt.ItemDataRole.ToolTipRole)

    def _show_planes(self) -> None:
        image = self._segment.session.image
        is_stack = image is not None and image.n_along("Z") > 1
        with signals_blocked(self.planes):
            self.planes.setChecked(self._segment.options.join_planes)
        self.planes.setVisible(is_stack)
        self.planes_title.setVisible(is_stack)

    def _show_diameter(self) -> None:
        wanted = self._segment.options.diameter_px
        result = self._segment.session.result
        found = None if result is None else result.options.diameter_px
        value = wanted or found or DEFAULT_DIAMETER_PX
        with signals_blocked(self.diameter_auto), signals_blocked(self.diameter):
            self.diameter_auto.setChecked(wanted is None)
            self.diameter.setValue(value)
            self.diameter.setEnabled(wanted is not None)
        size = self._segment.session.pixel_size
        is_known = wanted is not None or found is not None
        self.diameter.setVisible(is_known)
        um = f"= {value * size.x_um:.3g} µm" if size is not None and is_known else ""
        self.diameter_um.setText(um)
        self.diameter_um.setVisible(bool(um))

    def _show_thresholds(self) -> None:
        options, model = self._segment.options, self._segment.model
        foreground, seeds = options.foreground_threshold, options.seed_threshold
        if model is not None:
            foreground = (
                foreground if foreground is not None else model.foreground_threshold
            )
            seeds = seeds if seeds is not None else model.seed_threshold
        with signals_blocked(self.foreground), signals_blocked(self.seeds):
            self.foreground.setValue(foreground if foreground is not None else 0.5)
            self.seeds.setValue(seeds if seeds is not None else 0.5)
        with signals_blocked(self.min_area):
            self.min_area.setValue(options.min_area_px)
        is_usual = all(
            getattr(options, name) == usual for name, usual in _USUAL.items()
        )
        self.fine_button.setText(FINE_TITLE if is_usual else f"{FINE_TITLE} · changed")
        self.fine_note.setVisible(not self._segment.can_redecode)
        self.seen_button.setEnabled(self._segment.can_redecode)


def model_text(model: ModelSpec | None) -> str:
    """Return what a model is, as the text of a tip."""
    if model is None:
        return "No model is installed."
    lines = [
        f"<b>{escape(model.title)}</b>",
        escape(model.description),
        f"Trained on: {escape(model.training_data)}" if model.training_data else "",
        f"Cells of about {model.diameter_px:g} px suit it best.",
        f"Licence: {escape(model.licence)}" if model.licence else "",
        f"To cite it, name its digest: {escape(model.weights_sha256[:16])}…"
        if model.weights_sha256
        else "",
    ]
    return "<br>".join(line for line in lines if line)
