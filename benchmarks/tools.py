"""Time of each correction at 8192 × 8192 with 100,000 cells: ``python benchmarks/tools.py``.

Four columns, medians in milliseconds: the library (labels to an edit), the window's
controllers and layer (edit made, remembered, written into the index and the layer), the
canvas repainted, and the dock as well. ``--screen`` adds the last three and needs one;
without a graphics card, as under ``xvfb-run -a``, the repaint itself is drawn by the
processor, so the table begins with what one takes when nothing has changed.
``--processor`` counts the time of the processor instead, all threads together, which
other programs do not lengthen much.
``--quick`` shows in seconds, on small labels, that everything works.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.corrections import delete_in_region, merge_cells
from napari_cellseg.core.editing.reshape import fill_holes, smooth_cells
from napari_cellseg.core.editing.split import add_cell, split_cell

TARGET_MS = 50.0
PITCH_PX = 25
CELL_PX = 22
N_REPEATS = 5


@dataclass(frozen=True)
class Size:
    """How large."""

    side_px: int
    n_cells: int


REAL = Size(8192, 100_000)
QUICK = Size(512, 300)


def labels_of(size: Size) -> NDArray[np.int32]:
    """Return labels in rows: rounded squares 3 px apart, each with a small hole."""
    n_across = size.side_px // PITCH_PX
    labels = np.zeros((size.side_px, size.side_px), np.int32)
    shape = np.ones((CELL_PX, CELL_PX), bool)
    shape[:3, :3] = shape[-3:, :3] = shape[:3, -3:] = shape[-3:, -3:] = False
    shape[10:12, 5:7] = False
    for index in range(size.n_cells):
        y, x = (PITCH_PX * place for place in divmod(index, n_across))
        labels[y : y + CELL_PX, x : x + CELL_PX][shape] = index + 1
    two = middle_of(size).cell + 9  # and its neighbour: two cells taken for one
    y, x = (PITCH_PX * place for place in divmod(two - 1, n_across))
    pair = labels[y : y + CELL_PX, x : x + PITCH_PX + CELL_PX]
    pair[pair == two + 1] = two
    pair[9:13, CELL_PX:PITCH_PX] = two
    return labels


@dataclass(frozen=True)
class Place:
    """A cell in the middle and the one on its right, as `labels_of` lays them."""

    cell: int
    y: float
    x: float

    def outline(self, side_px: float) -> NDArray[np.float64]:
        """Return a square around the middle of the cell."""
        reach = side_px / 2
        corners = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
        return np.array([(self.y, self.x)]) + reach * np.array(corners, float)

    @property
    def line(self) -> NDArray[np.float64]:
        """Return a line right across the cell."""
        return np.array([(self.y - 14, self.x + 1), (self.y + 14, self.x + 1)])


def middle_of(size: Size) -> Place:
    """Return the place of the cell in the middle of all."""
    n_across = size.side_px // PITCH_PX
    row, column = (size.n_cells // n_across) // 2, n_across // 2
    y, x = (PITCH_PX * place + CELL_PX / 2 - 0.5 for place in (row, column))
    return Place(row * n_across + column + 1, y, x)


Action = Callable[[ProofreadController], None]
Clock = Callable[[], float]


def actions_at(place: Place) -> dict[str, Action]:
    """Return what is timed: each changes labels as `labels_of` makes them."""
    cell = place.cell
    return {
        "delete": lambda p: p.delete_cells([cell]),
        "delete in a region (12 cells)": lambda p: p.make(
            delete_in_region, place.outline(90), ()
        ),
        "delete in a region (1,600 cells)": lambda p: p.make(
            delete_in_region, place.outline(1000), ()
        ),
        "merge": lambda p: p.make(merge_cells, [cell, cell + 1]),
        "split by a line": lambda p: p.make(split_cell, place.line, ()),
        "add by outline": lambda p: p.make(add_cell, place.outline(60), ()),
        "fill holes": lambda p: p.make(fill_holes, [cell]),
        "smooth": lambda p: p.make(smooth_cells, [cell]),
        "split by itself": lambda p: CellTools(p).split_automatically(cell + 9, ()),
        "grow": lambda p: CellTools(p).grow(cell, ()),
        "shrink": lambda p: CellTools(p).shrink(cell, ()),
        "cut hole": lambda p: CellTools(p).cut_hole(place.outline(6), ()),
        "new number": lambda p: CellTools(p).new_number(cell, ()),
    }


class Recorder(ProofreadController):
    """Makes the edits but does not apply them: the library alone."""

    def apply(self, edit: Any) -> None:
        """Drop the edit."""


def library_ms(
    labels: NDArray[np.int32], actions: dict[str, Action], clock: Clock
) -> dict[str, float]:
    """Return the time to make each edit."""
    proofread = Recorder()
    proofread.open(labels)
    found = {}
    for name, action in actions.items():
        action(proofread)
        found[name] = median_ms(lambda act=action: act(proofread), clock)
    return found


def median_ms(action: Callable[[], None], clock: Clock) -> float:
    """Return the median time of an action."""
    times = []
    for _ in range(N_REPEATS):
        started = clock()
        action()
        times.append(1000 * (clock() - started))
    return statistics.median(times)


class Window:
    """The dock beside a viewer that shows the cell in the middle."""

    def __init__(self, labels: NDArray[np.int32], place: Place, clock: Clock) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        from napari_cellseg.controllers.labels.cell_labels import CellLabels
        from napari_cellseg.widgets.main import CellSegmentationWidget

        self._clock = clock
        self.viewer = napari.Viewer()
        self.viewer.window.resize(1280, 800)
        self.dock = CellSegmentationWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, area="right")
        image = self.viewer.add_image((labels > 0).astype(np.uint8) * 200, name="cells")
        self.dock.keeper.add_kept(CellLabels(labels), "labels", {}, image)
        self.dock.tabs.setCurrentIndex(1)
        self.app = QApplication.instance()
        self._canvas = self.viewer.window._qt_viewer.canvas.native
        self._swaps: list[float] = []
        self._canvas.frameSwapped.connect(self._on_swapped)
        self.settle()
        self.dock.keeper.look_at((place.y, place.x), CELL_PX)
        self.settle()

    def settle(self, seconds: float = 1.0) -> None:
        """Let timers and jobs end."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or self.dock.measure.task.is_running:
            self.app.processEvents()
            time.sleep(0.005)

    def _on_swapped(self) -> None:
        self._swaps.append(self._clock())

    def paint(self) -> None:
        """Return when the canvas shows what is."""
        from qtpy.QtCore import QEventLoop

        self._canvas.update()
        self._swaps.clear()
        while not self._swaps:
            self.app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def times_ms(self, action: Action) -> tuple[float, ...]:
        """Return the medians to the edit made, the canvas and the dock repainted."""
        proofread = self.dock.proofread
        rows = []
        for turn in range(N_REPEATS + 1):
            started = self._clock()
            self.dock.tools._try(action, proofread)
            times = [self._clock()]
            self.paint()
            times.append(self._clock())
            self.app.processEvents()
            times.append(self._clock())
            if turn:
                rows.append([1000 * (at - started) for at in times])
            proofread.undo()
            self.settle(0.6)
        return tuple(statistics.median(column) for column in zip(*rows, strict=True))


def main() -> int:
    """Time everything and print the table; 1 if a tool is slower than the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, to see it works")
    parser.add_argument("--screen", action="store_true", help="the window as well")
    parser.add_argument("--only", default="", help="tools whose name holds this")
    parser.add_argument(
        "--processor", action="store_true", help="time of the processor, all threads"
    )
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor else time.perf_counter
    size = QUICK if arguments.quick else REAL
    labels, place = labels_of(size), middle_of(size)
    actions = {
        name: action
        for name, action in actions_at(place).items()
        if arguments.only in name
    }
    library = library_ms(labels.copy(), actions, clock)
    window = Window(labels, place, clock) if arguments.screen else None
    table = Table("tool", "library ms", "window ms", "canvas ms", "dock ms")
    if window:
        bare = median_ms(window.paint, clock)
        table.add_row("(repaint, nothing changed)", "", "", f"{bare:.1f}", "")
    slowest = 0.0
    for name, action in actions.items():
        shown = window.times_ms(action) if window else (np.nan, np.nan, np.nan)
        slowest = max(slowest, library[name], np.nan_to_num(shown[0]))
        table.add_row(name, *(_shown(ms) for ms in (library[name], *shown)))
    Console().print(table)
    return int(slowest > TARGET_MS)


def _shown(ms: float) -> str:
    """Return a time, or nothing where none was taken."""
    return "" if np.isnan(ms) else f"{ms:.1f}"


if __name__ == "__main__":
    sys.exit(main())
