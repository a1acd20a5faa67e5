"""Classes of cells in the dock: the picker beside its tool, and marks on the canvas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Points
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QAction, QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QInputDialog,
    QMenu,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.labels.class_marks import class_marks
from napari_cellseg.controllers.projects.classes import ClassController
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.errors import CellsegError, EditError
from napari_cellseg.widgets.basics.buttons import more_button
from napari_cellseg.widgets.basics.cleanup import Cleanup
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.basics.options_form import may_be_narrow
from napari_cellseg.widgets.canvas.gestures import Drawn
from napari_cellseg.widgets.canvas.keys import NEXT_CLASS_KEY, button_key
from napari_cellseg.widgets.labels.label_places import (
    add_unchosen,
    lay,
    remove_if_there,
)

if TYPE_CHECKING:
    from napari_cellseg.widgets.main import CellSegmentationWidget

NO_CLASS = "no class"
MARKS_LAYER = "classes"
SHOW_MILLISECONDS = 150
#: Told apart by colour-blind eyes (Okabe and Ito 2008), and by their shape as well.
COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
)  # fmt: skip
SYMBOLS = ("disc", "square", "diamond", "triangle_up", "cross", "star", "x")
SWATCH_PX = 12


class ClassPicker(QWidget):
    """The class that is given next, and a menu that changes the list.

    Parameters
    ----------
    classes : ClassController
        Whose list is shown.
    """

    failed = Signal(str)

    def __init__(self, classes: ClassController) -> None:
        super().__init__()
        self._classes = classes
        self.names = QComboBox()
        self.names.setToolTip(
            f"The class that cells get; {button_key(NEXT_CLASS_KEY)} chooses the next."
        )
        self.names.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        may_be_narrow(self.names)
        self.names.activated.connect(self._on_name_chosen)
        self.new = QAction("New class…", self)
        self.rename = QAction("Rename…", self)
        self.remove = QAction("Take off the list", self)
        menu = QMenu(self)
        menu.addActions([self.new, self.rename, self.remove])
        self.new.triggered.connect(self._on_new_wanted)
        self.rename.triggered.connect(self._on_rename_wanted)
        self.remove.triggered.connect(self._on_remove_wanted)
        self.more = more_button(menu, "Change the list of classes.")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.names, 1)
        layout.addWidget(self.more)
        classes.changed.connect(self.refresh)
        self.refresh()

    def release(self) -> None:
        """Follow the controller no more."""
        self._classes.changed.disconnect(self.refresh, missing_ok=True)

    def refresh(self) -> None:
        """Follow the controller."""
        names, counts = self._classes.names, self._classes.counts
        with signals_blocked(self.names):
            self.names.clear()
            for place, name in enumerate(names):
                n_cells = counts.get(name, 0)
                # The number first: what a narrow dock cuts off is the end.
                text = f"{n_cells:,} {name}" if n_cells else name
                self.names.addItem(_swatch(place), text, name)
            self.names.addItem(NO_CLASS, "")
            self.names.setCurrentIndex(self.names.findData(self._classes.chosen))
        for action in (self.rename, self.remove):
            action.setEnabled(bool(self._classes.chosen))

    def _on_name_chosen(self, index: int) -> None:
        self._classes.choose(str(self.names.itemData(index)))

    def _on_new_wanted(self) -> None:
        name, is_given = QInputDialog.getText(self, "New class", "What is it called?")
        if is_given:
            self._try(self._classes.add, name)

    def _on_rename_wanted(self) -> None:
        old = self._classes.chosen
        name, is_given = QInputDialog.getText(
            self, "Rename a class", f"New name of '{old}':", text=old
        )
        if is_given:
            self._try(self._classes.rename, old, name)

    def _on_remove_wanted(self) -> None:
        self._try(self._classes.remove, self._classes.chosen)

    def _try(self, action: Callable[..., None], *arguments: str) -> None:
        try:
            action(*arguments)
        except CellsegError as error:
            self.failed.emit(str(error))


def _swatch(place: int) -> QIcon:
    """Return the colour of the class at a place of the list."""
    pixmap = QPixmap(SWATCH_PX, SWATCH_PX)
    pixmap.fill(QColor(COLOURS[place % len(COLOURS)]))
    return QIcon(pixmap)


class ClassLink(QObject):
    """Ties classes to the dock: the tool, its key, the picker and the marks.

    Parameters
    ----------
    dock : CellSegmentationWidget
        Whose parts are tied.
    cleanup : Cleanup
        Told what to let go of.
    """

    def __init__(self, dock: CellSegmentationWidget, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self._dock = dock
        self._proofread, self._keeper = dock.proofread, dock.keeper
        self.classes = ClassController(dock.proofread, dock.projects)
        self.picker = ClassPicker(self.classes)
        self.picker.failed.connect(dock.teller.show_error)
        dock.correct_tab.palette_box.put_beside("set_class", self.picker)
        dock.tools.add_action("set_class", self._on_drawn)
        dock.tools.add_key(NEXT_CLASS_KEY, self._on_next_pressed)
        # By their number of axes: a layer cannot change it.
        self._layers: dict[int, Points] = {}
        self._later = Later(self.show_marks, SHOW_MILLISECONDS, self)
        self.classes.changed.connect(self._later.call)
        dock.proofread.edited.connect(self._on_edited)
        dock.proofread.opened.connect(self._later.call)
        cleanup.add(self.release)

    def release(self) -> None:
        """Let go."""
        self._later.stop()
        self.classes.changed.disconnect()
        self._proofread.edited.disconnect(self._on_edited, missing_ok=True)
        self._proofread.opened.disconnect(self._later.call, missing_ok=True)
        for layer in self._layers.values():
            remove_if_there(self._dock.viewer, layer)
        self._layers.clear()

    def _on_next_pressed(self, _layer: Any) -> None:
        self.classes.choose_next()
        chosen = self.classes.chosen
        self._dock.footer.tell(f"Class: {chosen or NO_CLASS}")

    def _on_drawn(self, drawn: Drawn) -> None:
        """Give the class to what was clicked, or to what lies in a box."""
        if drawn.is_box:
            self.classes.give_in_box(drawn.points_yx[[0, -1]], drawn.plane)
        else:
            y, x = drawn.points_yx[-1]
            cell = self._dock.measure.cell_at((*drawn.plane, float(y), float(x)))
            if not cell:
                raise EditError(
                    "There is no cell there. Click a cell, or drag a box around several."
                )
            self.classes.give(cell)

    # ---------------------------------------------------------------------- the marks
    def _on_edited(self, edit: Edit) -> None:
        if self._proofread.classes or edit.classes_before:
            self._later.call()

    def show_marks(self) -> None:
        """Mark every cell that has a class, in the colour and shape of the class."""
        labels, cells = self._keeper.layer, self._proofread.cells
        for shown in self._layers.values():
            shown.visible = False
        if labels is None or cells is None or not cells.classes:
            return
        marks = class_marks(cells, self.classes.names)
        layer = self._layers.get(labels.ndim)
        if layer is None or layer not in self._dock.viewer.layers:
            layer = self._made(labels)
            self._layers[labels.ndim] = layer
        # A hidden layer of points does not look which of them are left to draw.
        layer.visible = True
        layer.data = marks.places
        layer.size = marks.size_px
        layer.face_color = [COLOURS[kind % len(COLOURS)] for kind in marks.kinds]
        layer.symbol = [SYMBOLS[kind % len(SYMBOLS)] for kind in marks.kinds]
        lay(layer, self._keeper.placement)

    def _made(self, labels: Labels) -> Points:
        """Return the layer, added with the labels still chosen."""
        layer = Points(
            ndim=labels.ndim,
            name=MARKS_LAYER,
            border_color="black",
            **self._keeper.placement,
        )
        add_unchosen(self._dock.viewer, layer)
        layer.editable = False
        return layer
