"""Corrections at 50,000 × 50,000 beside 1,024 × 1,024: ``python benchmarks/edit_window.py``.

Makes a project with large labels block by block (400,000 cells in every fourth block, the
rest empty), opens it in the dock as a person would, and times each correction until the
controllers, the journal on disk and napari's layer have it; then the same on a small image.
Each size has a process of its own, so that its peak memory is its own. The window needs a
screen: ``python tools/on_screen.py python benchmarks/edit_window.py``. ``--processor``
counts the time of the processor for each correction, all threads together, without what
waits for the disk. ``--quick`` shows in a minute, on smaller labels with the limit lowered,
that everything works.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from napari_cellseg.core.editing.corrections import delete_in_region, merge_cells
from napari_cellseg.core.jobs import run
from napari_cellseg.core.labels import on_disk as labels_on_disk
from napari_cellseg.project.labels.labels_store import BLOCK_PX
from napari_cellseg.project.labels.new_labels import LargeLabels, NewLabels
from napari_cellseg.project.store import create_project

PITCH_PX = 40
CELL_PX = 32
N_REPEATS = 9
LARGE, SMALL, QUICK = 50_000, 1_024, 6_000
PROCESSOR = "--processor"
#: For corrections only.
CLOCK = time.process_time if PROCESSOR in sys.argv else time.perf_counter


class SparseGrid:
    """Squares in rows, numbered, in every fourth block; made when a block is read."""

    def __init__(self, side_px: int) -> None:
        self.shape = (side_px, side_px)

    def __getitem__(self, box: tuple[slice, slice]) -> NDArray[np.int32]:
        """Return a block."""
        rows, columns = (np.arange(part.start, part.stop) for part in box)
        blocks = [part.start // BLOCK_PX for part in box]
        if any(at % 2 for at in blocks):
            return np.zeros((len(rows), len(columns)), np.int32)
        n_across = self.shape[1] // PITCH_PX
        ids = rows[:, None] // PITCH_PX * n_across + columns[None] // PITCH_PX + 1
        inside = [at % PITCH_PX < CELL_PX for at in (rows, columns)]
        return np.where(inside[0][:, None] & inside[1][None], ids, 0).astype(np.int32)


def make(folder: Path, side_px: int) -> Path:
    """Write the project and return its folder."""
    image = folder / "image.tif"
    image.write_bytes(b"its pixels are not looked at")
    grid = SparseGrid(side_px)
    with create_project(folder / "work") as project:
        project.add_images([image])
        if labels_on_disk.is_large(grid.shape):
            run(project.start_by_blocks(1, LargeLabels(grid.shape, "YX", None, grid)))
            run(project.preparation(1))
        else:
            whole = grid[tuple(slice(0, n) for n in grid.shape)]
            project.start_labels(1, NewLabels(whole, "YX"))
        return project.folder


class Window:
    """The dock beside a viewer that shows some cells in the middle of a block."""

    def __init__(self, folder: Path, side_px: int) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        from napari_cellseg.widgets.main import CellSegmentationWidget

        self.viewer = napari.Viewer()
        self.viewer.window.resize(1280, 800)
        self.dock = CellSegmentationWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, area="right")
        self.app = QApplication.instance()
        # The image itself is not needed: a small one of the same extent stands for it.
        coarse = np.zeros((64, 64), np.uint8)
        image = self.viewer.add_image(coarse, scale=[side_px / 64] * 2)
        started = time.perf_counter()
        self.dock.projects.open(folder)
        cells = self.dock.projects.cells_of(str(folder.parent / "image.tif"))
        self.dock.keeper.add_kept(cells, "labels", {}, image)
        self.open_s = time.perf_counter() - started
        self.dock.tabs.setCurrentIndex(1)
        self.n_cells = len(cells.index)
        self.side_px = side_px

    def settle(self, seconds: float = 0.5) -> None:
        """Let timers and jobs end."""
        until = time.perf_counter() + seconds
        while time.perf_counter() < until or self.dock.measure.task.is_running:
            self.app.processEvents()
            time.sleep(0.005)

    def look_at(self, y: float, x: float) -> float:
        """Look at a place from near; return the seconds until it can be edited."""
        camera = self.viewer.scene.camera
        camera.center, camera.zoom = (0.0, y, x), 1.5
        started = time.perf_counter()
        if self.dock.keeper.window is not None:
            self.dock.keeper.window.follow()
        return time.perf_counter() - started

    def median_ms(self, action: Callable[[int], None]) -> tuple[float, float]:
        """Return the medians of an action, with another cell each time, and of undo."""
        made, undone = [], []
        for turn in range(N_REPEATS):
            made.append(_ms(lambda at=turn: action(at)))
            self.settle()
            undone.append(_ms(self.dock.keeper.undo))
            self.settle()
        return statistics.median(made), statistics.median(undone)


def _ms(action: Callable[[], None]) -> float:
    started = CLOCK()
    action()
    return 1000 * (CLOCK() - started)


def times_of(side_px: int) -> dict[str, Any]:
    """Return what is timed on labels of one size."""
    with tempfile.TemporaryDirectory() as scratch:
        started = time.perf_counter()
        folder = make(Path(scratch), side_px)
        made_s = time.perf_counter() - started
        made_mb = _peak_mb()
        window = Window(folder, side_px)
        # The middle of a block with cells, in the middle of the image.
        block = side_px // BLOCK_PX // 2 // 2 * 2
        y = x = min(block * BLOCK_PX + BLOCK_PX // 2, side_px // 2)
        first_s = window.look_at(y, x)
        window.settle(3)
        moved_s = window.look_at(y + 700, x) if window.dock.keeper.window else 0.0
        window.look_at(y, x)
        window.settle(2)
        found = _corrections(window, y, x)
        report = {
            "cells": window.n_cells,
            "make the project, s": made_s,
            "peak memory while making, MB": made_mb,
            "open the project, s": window.open_s,
            "first look from near, s": first_s,
            "move the window, s": moved_s,
            **found,
            "peak memory, MB": _peak_mb(),
        }
        window.dock.release()
        window.settle(1)
    return report


def _corrections(window: Window, y: float, x: float) -> dict[str, float]:
    """Return the medians of brush, delete, merge and undo, in milliseconds."""
    proofread, layer = window.dock.proofread, window.dock.keeper.layer
    binding = window.dock.keeper.binding
    start = binding.start or (0, 0)
    n_across = window.side_px // PITCH_PX
    row, column = (int(at) // PITCH_PX for at in (y, x))

    def cell(turn: int) -> int:
        return row * n_across + column + turn + 1

    def brush(turn: int) -> None:
        place = PITCH_PX * row + CELL_PX + 4, PITCH_PX * (column + turn) + 10
        layer.selected_label = proofread.cells.index.highest + 1
        layer.paint([at - low for at, low in zip(place, start, strict=True)], 10**6)

    def delete(turn: int) -> None:
        window.dock.tools._try(proofread.delete_cells, [cell(turn)])

    def region(turn: int) -> None:
        corner = np.array([PITCH_PX * row, PITCH_PX * (column + turn)])
        outline = corner + 160 * np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
        window.dock.tools._try(proofread.make, delete_in_region, outline, ())

    layer.brush_size = 6
    found = {}
    brushed, back = window.median_ms(brush)
    found["brush, ms"], found["undo of a brush stroke, ms"] = brushed, back
    deleted, back = window.median_ms(delete)
    found["delete, ms"], found["undo of a deletion, ms"] = deleted, back
    gone, back = window.median_ms(region)
    found["delete 16 cells in a region, ms"] = gone
    # Neighbours that are joined by a stroke first, so that they touch.
    joined = []
    for turn in range(0, 2 * N_REPEATS, 2):
        _join(window, cell(turn))
        joined.append(
            _ms(lambda at=turn: proofread.make(merge_cells, [cell(at), cell(at + 1)]))
        )
        window.settle()
    found["merge, ms"] = statistics.median(joined)
    return found


def _join(window: Window, cell: int) -> None:
    """Grow a cell until it touches the next one on its right."""
    from napari_cellseg.core.editing.grow import grow_cells

    for _ in range(PITCH_PX - CELL_PX - 2):
        window.dock.proofread.make(grow_cells, [cell])
    window.settle(0.3)


def _peak_mb() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    """Time both sizes, each in its own process, and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, to see it works")
    parser.add_argument(PROCESSOR, action="store_true", help="time of the processor")
    parser.add_argument("--side", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        labels_on_disk.LARGE_PX = 2**22
    if arguments.side:
        print("RESULT", json.dumps(times_of(arguments.side)), flush=True)
        os._exit(0)  # napari may end with a fault of the renderer
    sides = [QUICK if arguments.quick else LARGE, SMALL]
    more = ["--quick"] if arguments.quick else []
    more += [PROCESSOR] if arguments.processor else []
    columns = [_in_own_process(side, more) for side in sides]
    table = Table("", *(f"{side:,} × {side:,}" for side in sides))
    for name in columns[0]:
        table.add_row(name, *(f"{column[name]:,.4g}" for column in columns))
    Console().print(table)


def _in_own_process(side_px: int, more: list[str]) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", str(side_px), *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [one for one in done.stdout.splitlines() if one.startswith("RESULT ")]
    if not lines:
        raise SystemExit(done.stderr[-2000:])
    values: dict[str, float] = json.loads(lines[0].removeprefix("RESULT "))
    return values


if __name__ == "__main__":
    main()
