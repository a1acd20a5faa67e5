"""The head of the dock: which image is worked on, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.session import (
    LIKELY_UM,
    Session,
    describe_image,
    describe_pixel_size,
    is_likely,
)
from napari_cellseg.core.errors import AmbiguousAxesError, CellsegError
from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.widgets.basics.number_box import NumberBox
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.basics.words import line_label, say, say_again
from napari_cellseg.widgets.canvas.layer_images import (
    ImageChoice,
    axes_of,
    drawn_over,
    extent_yx,
    image_choices,
    note,
    read_choice,
    set_pixel_size,
)
from napari_cellseg.widgets.canvas.uncovering import fit, uncover

#: What an axis can be, in the person's words.
AXIS_WORDS = {"Z": "Z planes", "T": "time points", "C": "channels"}


class ImageHeader(QWidget):
    """Chooses the image and says what is known of it.

    Parameters
    ----------
    viewer : napari viewer
        Whose image layers are offered.
    session : Session
        Gets the image.
    """

    chosen = Signal()

    def __init__(self, viewer: Any, session: Session) -> None:
        super().__init__()
        self._viewer = viewer
        self._session = session
        self._choices: list[ImageChoice] = []
        self.choice: ImageChoice | None = None
        #: Returns the layer with the cells of an image.
        self.labels_of: Callable[[Image], Labels | None] = _no_labels
        self._read_before: WeakKeyDictionary[Image, tuple[list[Any], CellImage]] = (
            WeakKeyDictionary()
        )
        self._build()
        self._followed: list[Image] = []
        layers = viewer.layers.events
        self._links = [
            (layers.inserted, self._on_layers_changed),
            (layers.removed, self._on_layers_changed),
            (layers.reordered, self._on_layers_changed),
            (viewer.events.theme, self._on_theme_changed),
        ]
        for event, handler in self._links:
            event.connect(handler)
        session.image_changed.connect(self.show_facts)
        session.pixel_size_changed.connect(self.show_facts)
        self._on_layers_changed()

    def _build(self) -> None:
        self.menu = QComboBox()
        self.menu.setToolTip("The image whose cells are segmented, from any layer.")
        may_be_narrow(self.menu)
        self.menu.currentIndexChanged.connect(self._on_menu_changed)
        self.facts = line_label()
        self.edit_button = QPushButton()
        self.edit_button.setCheckable(True)
        self.edit_button.setToolTip(
            "The size of a pixel: it gives numbers in µm and µm²."
        )
        self.edit_button.toggled.connect(self._on_edit_toggled)
        self._build_pixel_size()
        self.question = QWidget()
        self._question_layout = QVBoxLayout(self.question)
        self._question_layout.setContentsMargins(0, 0, 0, 0)
        self.axis_menus: list[QComboBox] = []
        top = QHBoxLayout()
        top.addWidget(QLabel("Image"))
        top.addWidget(self.menu, 1)
        facts = QHBoxLayout()
        facts.addWidget(self.facts, 1)
        facts.addWidget(self.edit_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addLayout(facts)
        layout.addWidget(self.pixel_size_row)
        layout.addWidget(self.question)
        self.question.hide()

    def _build_pixel_size(self) -> None:
        self.pixel_size_row = QWidget()
        grid = QGridLayout(self.pixel_size_row)
        grid.setContentsMargins(0, 0, 0, 0)
        self.pixel_size_field = NumberBox()
        self.pixel_size_field.setDecimals(4)
        self.pixel_size_field.setRange(*LIKELY_UM)
        self.pixel_size_field.setValue(1.0)
        self.pixel_size_field.setSuffix(" µm/px")
        self.pixel_size_field.setToolTip(
            "Height and width of a pixel; it stands in the microscope's settings."
        )
        self.plane_step_field = NumberBox()
        self.plane_step_field.setDecimals(3)
        self.plane_step_field.setRange(0.0, LIKELY_UM[1])
        self.plane_step_field.setSpecialValueText("unknown")
        self.plane_step_field.setSuffix(" µm")
        self.plane_step_field.setToolTip(
            "Distance from one plane of the stack to the next; gives volumes in µm³."
        )
        self.pixel_size_button = QPushButton("OK")
        self.pixel_size_button.clicked.connect(self._on_pixel_size_set)
        for field in (self.pixel_size_field, self.plane_step_field):
            if (line := field.lineEdit()) is not None:
                line.returnPressed.connect(self._on_pixel_size_set)
        self.plane_step_title = QLabel("Plane to plane")
        grid.addWidget(QLabel("Pixel size"), 0, 0)
        grid.addWidget(self.pixel_size_field, 0, 1)
        grid.addWidget(self.plane_step_title, 1, 0)
        grid.addWidget(self.plane_step_field, 1, 1)
        grid.addWidget(self.pixel_size_button, 0, 2)
        grid.setColumnStretch(1, 1)
        self.pixel_size_row.hide()

    def release(self) -> None:
        """Hear of the viewer no more."""
        for event, handler in self._links:
            event.disconnect(handler)
        self._links = []
        self.labels_of = _no_labels
        self._follow(None)
        self._read_before.clear()

    def _on_theme_changed(self, _event: Any) -> None:
        """Say everything in the window again, in colours that can be read there."""
        say_again(self.window() or self, self._viewer.theme)

    # ---------------------------------------------------------------- the layers
    def _on_layers_changed(self, _event: Any = None) -> None:
        """Offer the image layers that are there; a new one is chosen by itself."""
        before = self._choices
        self._choices = image_choices(self._viewer.layers)
        chosen = self._newest(before)
        with signals_blocked(self.menu):
            self.menu.clear()
            self.menu.addItems([one.title for one in self._choices])
        self._name(chosen)
        if chosen is None or not chosen.is_same(self.choice):
            if chosen is not None and any(map(chosen.is_same, before)):
                # What was chosen is gone; it may have hidden this one.
                self.show_choice(chosen)
            else:
                self.choose(chosen)

    def _newest(self, before: list[ImageChoice]) -> ImageChoice | None:
        """Return the choice that is new, else the one that was chosen, else one."""
        known = {id(layer) for one in before for layer in one.layers}
        for one in reversed(self._choices):
            if not any(id(layer) in known for layer in one.layers):
                return one
        held = set() if self.choice is None else {id(x) for x in self.choice.layers}
        for one in self._choices:
            if any(id(layer) in held for layer in one.layers):
                return one
        return self._choices[-1] if self._choices else None

    def _on_menu_changed(self, index: int) -> None:
        if 0 <= index < len(self._choices):
            self.show_choice(self._choices[index])

    def _name(self, choice: ImageChoice | None) -> None:
        """Let the menu say what is worked on, whoever chose it."""
        places = (n for n, one in enumerate(self._choices) if one.is_same(choice))
        with signals_blocked(self.menu):
            self.menu.setCurrentIndex(next(places, -1))

    def show_choice(self, choice: ImageChoice) -> None:
        """Work on a choice, and bring it into sight; one of the same size as it is seen."""
        before = None if self.choice is None else extent_yx(self.choice.layers[0])
        self.choose(choice)
        self.show_chosen(is_fitted=before != extent_yx(choice.layers[0]))

    def show_chosen(self, *, is_fitted: bool = True) -> None:
        """Bring what is worked on into sight, and fit the view to it."""
        if self.choice is not None:
            uncover(self.choice, self._choices, self.labels_of)
        if is_fitted:
            self.fit_view()

    def fit_view(self) -> None:
        """Fit the view to the chosen image, whatever lies beside it; else to all."""
        if self.choice is None:
            self._viewer.reset_view()
        else:
            fit(self._viewer, self.choice.layers)

    def choose(self, choice: ImageChoice | None) -> None:
        """Work on a choice, or ask what its axes are, or say why it cannot be used."""
        self.choice = choice
        self._name(choice)
        self._follow(choice)
        self._ask(None)
        self.edit_button.setChecked(False)
        if choice is None:
            self._session.show_image(None)
        else:
            self._read(choice)
        self.chosen.emit()

    def _read(self, choice: ImageChoice) -> None:
        try:
            image = read_choice(choice)
        except AmbiguousAxesError as error:
            self._session.refuse_image(str(error))
            self._ask(error)
        except CellsegError as error:
            self._session.refuse_image(str(error))
        else:
            self._session.show_image(self._known(choice, image))

    def _known(self, choice: ImageChoice, image: CellImage) -> CellImage:
        """Return an image with the very pixels of last time, by which a run knows it."""
        arrays = [layer.data for layer in choice.layers]
        first = choice.layers[0]
        before = self._read_before.get(first)
        if before is not None:
            old, known = before
            is_same = len(old) == len(arrays) and known.axes == image.axes
            if is_same and all(a is b for a, b in zip(old, arrays, strict=True)):
                image = replace(image, data=known.data)
        self._read_before[first] = (arrays, image)
        return image

    def _follow(self, choice: ImageChoice | None) -> None:
        """Hear when the pixels or the name of the chosen layers change."""
        for layer in self._followed:
            layer.events.data.disconnect(self._on_image_data)
            layer.events.name.disconnect(self._on_layers_changed)
        self._followed = [] if choice is None else list(choice.layers)
        for layer in self._followed:
            layer.events.data.connect(self._on_image_data)
            layer.events.name.connect(self._on_layers_changed)

    def _on_image_data(self, _event: Any) -> None:
        self.choose(self.choice)

    # ---------------------------------------------------------------- what is known
    def show_facts(self) -> None:
        """Say what is known of the image."""
        image, theme = self._session.image, self._viewer.theme
        self.edit_button.setVisible(image is not None)
        if image is None:
            empty = "No image yet: open one, or drop a file here."
            problem = self._session.problem
            say(self.facts, problem or empty, "warning" if problem else "dim", theme)
            return
        size = describe_pixel_size(image.pixel_size)
        self.edit_button.setText("edit" if size else "set")
        facts = describe_image(image)
        if image.pixel_size is not None and not is_likely(image.pixel_size):
            say(self.facts, f"{facts} · {size}? Correct it", "warning", theme)
        elif size:
            say(self.facts, f"{facts} · {size}", "plain", theme)
        else:
            say(self.facts, f"{facts} · pixel size unknown", "warning", theme)
        self.facts.setToolTip("\n".join(image.notes))

    def _on_edit_toggled(self, is_on: bool) -> None:  # noqa: FBT001 - Qt's signal
        self.pixel_size_row.setVisible(is_on)
        image, size = self._session.image, self._session.pixel_size
        for widget in (self.plane_step_title, self.plane_step_field):
            widget.setVisible(image is not None and "Z" in image.axes)
        self.plane_step_field.setValue((size and size.z_um) or 0.0)
        if size is not None:
            self.pixel_size_field.setValue(size.x_um)
        elif self.choice is not None:
            self.pixel_size_field.setValue(abs(float(self.choice.layers[0].scale[-1])))

    def _on_pixel_size_set(self) -> None:
        value = self.pixel_size_field.value()
        size = PixelSize(value, value, self.plane_step_field.value() or None)
        if self.choice is not None:
            images = self.choice.layers
            over = drawn_over(self._viewer.layers, images[0])
            set_pixel_size([*images, *over], size)
        self._session.set_pixel_size(size)
        # The image has another size on the canvas now.
        self.fit_view()
        self.edit_button.setChecked(False)

    # ------------------------------------------------------------- what is not known
    def _ask(self, error: AmbiguousAxesError | None) -> None:
        """Ask what each axis is that nobody knows."""
        while self._question_layout.count():
            item = self._question_layout.takeAt(0)
            if item is not None and (widget := item.widget()) is not None:
                widget.deleteLater()
        self.axis_menus = []
        self.question.setVisible(error is not None)
        if error is None:
            return
        for index, letter in enumerate(error.known_axes):
            if letter == "?":
                self._ask_axis(index, error.shape[index])

    def _ask_axis(self, index: int, size: int) -> None:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        menu = QComboBox()
        menu.setPlaceholderText("choose…")
        for letter, words in AXIS_WORDS.items():
            menu.addItem(words, letter)
        menu.setCurrentIndex(-1)
        menu.setToolTip("The layer does not say; labels and numbers depend on it.")
        menu.currentIndexChanged.connect(self._on_axis_answered)
        layout.addWidget(QLabel(f"The {size} along axis {index + 1} are"))
        layout.addWidget(menu, 1)
        self._question_layout.addWidget(row)
        self.axis_menus.append(menu)

    def _on_axis_answered(self, _index: int) -> None:
        """Take the answers once every axis has its own."""
        letters = [menu.currentData() for menu in self.axis_menus]
        if None in letters or self.choice is None:
            return
        axes = "".join(letters) + "YX"
        order = [letter for letter in axes if letter != "C"]
        is_twice = len(set(axes)) < len(axes) or (
            "C" in axes and len(self.choice.layers) > 1
        )
        if is_twice or order != sorted(order, key="TZYX".index):
            text = "Each axis can be named once, and time comes before planes."
            say(self.facts, text, "warning", self._viewer.theme)
            return
        for layer in self.choice.layers:
            note(layer, axes=axes)
            layer.axis_labels = tuple(axes.lower())
        self.choose(self.choice)

    @property
    def axes(self) -> str | None:
        """Axes of the chosen layers, None without one or while they are asked for."""
        return None if self.choice is None else axes_of(self.choice.layers[0])


def _no_labels(_image: Image) -> Labels | None:
    return None
