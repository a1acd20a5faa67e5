"""The box "Through time" of the tab "Correct", and the layer of tracks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Labels, Tracks
from qtpy.QtCore import QObject
from qtpy.QtWidgets import (
    QGridLayout,
    QGroupBox,
    QVBoxLayout,
)
from superqt.utils import signals_blocked

from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.controllers.tracks import PickKind, TrackLines, TracksController
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.options import range_of
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.widgets.basics.buttons import canvas_button
from napari_cellseg.widgets.basics.cleanup import Cleanup
from napari_cellseg.widgets.basics.jobs import Later
from napari_cellseg.widgets.basics.number_box import NumberBox
from napari_cellseg.widgets.basics.words import line_label
from napari_cellseg.widgets.canvas.keys import CUT_KEY, DAUGHTER_KEY, SAME_KEY
from napari_cellseg.widgets.labels.label_places import add_unchosen, remove_if_there
from napari_cellseg.widgets.labels.labels_keeper import LabelsKeeper

TRACKS_LAYER = "tracks"
SHOW_MILLISECONDS = 200
ASKS = {
    "same": "Now click what cell {cell} was on an earlier frame; Esc leaves it.",
    "daughter": "Now click the mother of cell {cell} on an earlier frame; Esc leaves it.",
}


class TimeBox(QGroupBox):
    """Shows how many tracks there are, and the buttons that make and mend them.

    Parameters
    ----------
    tracks : TracksController
        Whose state is shown.
    """

    def __init__(self, tracks: TracksController) -> None:
        super().__init__("Through time")
        self._tracks = tracks
        self.link = canvas_button(
            "Link cells", "Follow every cell from frame to frame."
        )
        self.step = NumberBox()
        range_ = range_of(TrackOptions, "max_step_px")
        self.step.setRange(0, range_.maximum or 1e4)
        self.step.setDecimals(0)
        self.step.setPrefix("step ")
        self.step.setSuffix(" px")
        self.step.setSpecialValueText("step: auto")
        self.step.setToolTip(range_.help)
        self.same = canvas_button(
            f"Same as…  ({_shown(SAME_KEY)})",
            "The selected cell is one that stood elsewhere before: click that one.",
        )
        self.daughter = canvas_button(
            f"Daughter of…  ({_shown(DAUGHTER_KEY)})",
            "The selected cell came of a division: click its mother on an earlier frame.",
        )
        self.cut = canvas_button(
            f"Cut  ({_shown(CUT_KEY)})",
            "From this frame on the selected cell is another one.",
        )
        self.line = line_label()
        grid = QGridLayout()
        grid.addWidget(self.link, 0, 0)
        grid.addWidget(self.step, 0, 1)
        grid.addWidget(self.same, 1, 0)
        grid.addWidget(self.daughter, 1, 1)
        grid.addWidget(self.cut, 2, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.addLayout(grid)
        layout.addWidget(self.line)
        tracks.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Follow the controller."""
        tracks = self._tracks
        self.setVisible(tracks.n_frames > 1)
        is_busy = tracks.task.is_running
        self.link.setText("Cancel" if is_busy else "Link cells")
        for button in (self.link, self.same, self.daughter, self.cut):
            button.setEnabled(tracks.is_ready)
        with signals_blocked(self.step):
            self.step.setValue(tracks.options.max_step_px or 0)
        if is_busy:
            self.line.setText(tracks.task.progress.message or "linking…")
        elif tracks.pick is not None:
            asks = ASKS[tracks.pick.kind].format(cell=tracks.pick.cell)
            self.line.setText(f"<b>{asks}</b>")
        else:
            self.line.setText(tracks.words or "Segment first; then link.")


class TimeLink(QObject):
    """Ties the box to the dock: frames, selected cells, keys, and the layer of tracks.

    Parameters
    ----------
    dock : QWidget
        Has `viewer`, `proofread`, `measure`, `keeper`, `tools`, `projects`, `footer`,
        `teller` and `correct_tab`.
    task : TaskController
        Links off the main thread.
    cleanup : Cleanup
        Lets go when the dock does.
    """

    def __init__(self, dock: Any, task: TaskController, cleanup: Cleanup) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer: Any = dock.viewer
        self._measure: MeasureController = dock.measure
        self._keeper: LabelsKeeper = dock.keeper
        self.tracks = TracksController(dock.proofread, dock.measure, task)
        self.box = TimeBox(self.tracks)
        dock.correct_tab.add_box(self.box)
        self.layer: Tracks | None = None
        self._is_put_away = False
        self._old: list[Tracks] = []
        self._old_later = Later(self._remove_old, 0, self)
        self._later = Later(self.show_tracks, SHOW_MILLISECONDS, self)
        for button, action in (
            (self.box.link, self._on_link_clicked), (self.box.same, self._on_same),
            (self.box.daughter, self._on_daughter), (self.box.cut, self._on_cut),
        ):  # fmt: skip
            button.clicked.connect(action)
        self.box.step.valueChanged.connect(self._on_step_changed)
        for key, pressed in (
            (SAME_KEY, self._on_same), (DAUGHTER_KEY, self._on_daughter),
            (CUT_KEY, self._on_cut),
        ):  # fmt: skip
            dock.tools.add_key(key, pressed)
        self.tracks.changed.connect(self._later.call)
        self.tracks.parents_changed.connect(self._on_parents_changed)
        self.tracks.task.changed.connect(self._on_task_changed)
        self._keeper.clicked.connect(self._on_cell_clicked)
        dock.tools.changed.connect(self._on_tools_changed)
        dock.proofread.opened.connect(self._on_opened)
        dock.session.image_changed.connect(self.box.refresh)
        cleanup.add(self.release)

    def release(self) -> None:
        """Stop linking and hear of the controllers no more."""
        self._later.stop()
        self._old_later.stop()
        self._old.clear()
        self.tracks.task.abandon()
        for signal in (
            self.tracks.changed, self.tracks.parents_changed, self.tracks.task.changed,
        ):  # fmt: skip
            signal.disconnect()
        self.layer = None

    # ------------------------------------------------------------------- the buttons
    def _on_link_clicked(self) -> None:
        if self.tracks.task.is_running:
            self.tracks.task.cancel()
        else:
            self._try(self.tracks.link)

    def _on_step_changed(self, value: float) -> None:
        self.tracks.options = TrackOptions(max_step_px=value or None)

    def _on_same(self, _from: Any = None) -> None:
        self._wait("same")

    def _on_daughter(self, _from: Any = None) -> None:
        self._wait("daughter")

    def _wait(self, kind: PickKind) -> None:
        """Go to the frame before, where the earlier cell is to be clicked."""
        layer, frame = self._keeper.layer, self.frame
        if self.tracks.pick is not None:
            self._drop_pick()
            return
        self._try(self.tracks.wait_for, kind, self._measure.selected_cell, frame)
        if self.tracks.pick is not None and layer is not None:
            self._dock.tools.leave()
            layer.mode = "pan_zoom"
            layer.bind_key("Escape", self._on_escape, overwrite=True)
            self.go_to(frame - 1)

    def _on_cut(self, _from: Any = None) -> None:
        self._try(self.tracks.cut, self._measure.selected_cell, self.frame)

    def _on_escape(self, _layer: Labels) -> None:
        self._drop_pick()

    def _drop_pick(self) -> None:
        pick = self.tracks.pick
        self._unbind_escape()
        self.tracks.drop_pick()
        if pick is not None:
            self.go_to(pick.frame)

    def _on_cell_clicked(self, cell: int) -> None:
        """Take the earlier cell, and come back to the frame of the later one."""
        pick = self.tracks.pick
        if pick is None or not cell:
            return
        self._unbind_escape()
        self._try(self.tracks.take_pick, cell)
        self.go_to(pick.frame)

    def _on_tools_changed(self) -> None:
        """Wait no more once a tool is taken: the next click is the tool's."""
        if self._dock.tools.active is not None:
            self.tracks.drop_pick()

    def _unbind_escape(self) -> None:
        if self._keeper.layer is not None:
            self._keeper.layer.bind_key("Escape", None)

    def _try(self, action: Callable[..., object], *arguments: Any) -> None:
        """Do it on what is shown now, or say in the dock why not."""
        try:
            self._keeper.reconcile()
            action(*arguments)
        except CellsegError as error:
            self._dock.teller.show_error(str(error))

    # --------------------------------------------------------------------- the frames
    @property
    def frame(self) -> int:
        """The frame that is shown, from 0."""
        layer = self._keeper.layer
        if layer is None:
            return 0
        plane: tuple[int, ...] = self._dock.gestures.shown_plane(layer)
        return plane[0]

    def go_to(self, frame: int) -> None:
        """Show a frame."""
        layer = self._keeper.layer
        if layer is not None:
            place = [float(frame), *[0.0] * (layer.ndim - 1)]
            offset = self._viewer.dims.ndim - layer.ndim
            self._viewer.dims.set_point(offset, float(layer.data_to_world(place)[0]))

    # ----------------------------------------------------------------- what it becomes
    def _on_parents_changed(self) -> None:
        self._try_saving()

    def _try_saving(self) -> None:
        try:
            self._dock.projects.save_lineage(self._dock.proofread.cells)
        except CellsegError as error:
            self._dock.teller.show_error(str(error))

    def _on_task_changed(self) -> None:
        task = self.tracks.task
        if task.state == "failed" and task.failure is not None:
            self._dock.footer.tell_failure(task.failure)

    def _on_opened(self) -> None:
        """Forget the tracks of other labels."""
        layer, self.layer = self.layer, None
        if layer is not None:
            self._old.append(layer)
            self._old_later.call()
        self._later.call()

    def _remove_old(self) -> None:
        """Remove tracks of other labels, now that napari is done with its own changes."""
        old, self._old = self._old, []
        for layer in old:
            remove_if_there(self._viewer, layer)

    def show_tracks(self) -> None:
        """Show the tracks as they are, once there is one over several frames."""
        labels, lines = self._keeper.layer, self.tracks.lines()
        is_wanted = labels is not None and lines is not None and _is_linked(lines)
        if labels is None or lines is None or not is_wanted:
            if self.layer is not None and self.layer.visible:
                self.layer.visible, self._is_put_away = False, True
            return
        if self.layer is None or self.layer not in self._viewer.layers:
            self.layer = self._made(lines, labels)
        else:
            # The old graph may name tracks that are gone.
            self.layer.graph = {}
            self.layer.data = lines.data
            self.layer.graph = lines.graph
        if self._is_put_away:
            self.layer.visible, self._is_put_away = True, False
        self.layer.scale, self.layer.translate = labels.scale, labels.translate

    def _made(self, lines: TrackLines, labels: Labels) -> Tracks:
        """Return the layer, added with the labels still chosen."""
        layer = Tracks(
            lines.data,
            graph=lines.graph,
            name=TRACKS_LAYER,
            scale=labels.scale,
            translate=labels.translate,
            units=labels.units,
            axis_labels=labels.axis_labels,
        )
        add_unchosen(self._viewer, layer)
        return layer


def _is_linked(lines: TrackLines) -> bool:
    """Say whether a cell is on several frames."""
    return len(np.unique(lines.data[:, 0])) < len(lines.data)


def _shown(key: str) -> str:
    return key.replace("Shift-", "⇧")
