"""What putting 30 planted errors right costs: clicks, drags, keys and machine time.

``python tools/on_screen.py python benchmarks/proofreading.py``

The same errors are planted into the true labels of a synthetic image: cells that run
together, cells in two pieces, cells that are missing, and cells that are none. They are put
right twice in a real napari window by real mouse and key events, once with the tools of the
dock and once with napari's own, by the shortest way that we know, errors of a kind in one
go. A gesture counts where the mouse is pressed; the seconds are those of the computer, from
the press until the window is painted, not those of the hand: by the clock, and of the
processor, all threads together, which other programs do not lengthen much. Ours repaint for
each of 24 points of an outline that is drawn, napari's for each of 8 that are clicked.

The Cellpose GUI is not run; its gestures are those of its manual (version 4): a click with
Ctrl deletes, a click and one with Alt merge, a right click starts an outline that is closed
at its beginning. It has no split: the cell is deleted and two are drawn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import napari
import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy import ndimage
from skimage.measure import find_contours

from napari_cellseg.core.synthetic import (
    CellOptions,
    SceneOptions,
    make_scene,
)
from napari_cellseg.core.training.matching import match_labels
from napari_cellseg.widgets.main import CellSegmentationWidget

SHAPE_YX = (700, 700)
CELLS = CellOptions(n_cells=170, diameter_px=36.0, clustering=0.6, size_spread=0.1)
COUNTS = {"merged": 8, "cut": 8, "missed": 8, "false": 6}
#: A cell is right if it overlaps the true one this much.
RIGHT_IOU = 0.7
NO_KEY = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton
#: By the manual: (clicks, drags, keys held) for an error of each kind.
CELLPOSE = {
    "merged": (1, 2, 1),
    "cut": (2, 0, 1),
    "missed": (0, 1, 0),
    "false": (1, 0, 1),
}

Point = tuple[float, float]


@dataclass(frozen=True)
class Error:
    """One planted error and what is needed to put it right, in pixels (y, x)."""

    kind: str
    line: tuple[Point, Point] = ((0, 0), (0, 0))
    outline: tuple[Point, ...] = ()
    middle: Point = (0, 0)


@dataclass
class Tally:
    """What a way of correcting costs."""

    clicks: int = 0
    drags: int = 0
    keys: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0


class Hand:
    """Presses keys and the mouse in a napari window, and counts."""

    def __init__(self, viewer: Any, layer: Any) -> None:
        self._viewer = viewer
        self._layer = layer
        self._canvas = viewer.window._qt_viewer.canvas.native
        self.tally = Tally()

    def key(self, key: Qt.Key) -> None:
        """Press a key on the canvas."""
        self.tally.keys += 1
        with self._timed():
            QTest.keyClick(self._canvas, key, NO_KEY)

    def click(self, point: Point) -> None:
        """Click a place of the labels."""
        self.tally.clicks += 1
        self._gesture([point])

    def drag(self, points: Sequence[Point]) -> None:
        """Press, move along some places, release."""
        self.tally.drags += 1
        self._gesture(points)

    def _gesture(self, points: Sequence[Point]) -> None:
        places = [self._place(*point) for point in points]
        QTest.mouseMove(self._canvas, places[0])
        QApplication.processEvents()
        with self._timed():
            QTest.mousePress(self._canvas, LEFT, NO_KEY, places[0])
            for place in places[1:]:
                self._move(place)
            QTest.mouseRelease(self._canvas, LEFT, NO_KEY, places[-1])

    def _move(self, place: QPoint) -> None:
        """Move with the button held, which QTest forgets."""
        at = QPointF(place)
        event = QMouseEvent(
            QEvent.Type.MouseMove,
            at,
            QPointF(self._canvas.mapToGlobal(place)),
            Qt.MouseButton.NoButton,
            LEFT,
            NO_KEY,
        )
        QApplication.sendEvent(self._canvas, event)
        QApplication.processEvents()

    def _place(self, y: float, x: float) -> QPoint:
        camera = self._viewer.scene.camera
        world = self._layer.data_to_world((y, x))
        dy, dx = np.subtract(world[-2:], camera.center[-2:]) * camera.zoom
        size = self._canvas.size()
        return QPoint(round(size.width() / 2 + dx), round(size.height() / 2 + dy))

    def _timed(self) -> _Painted:
        return _Painted(self.tally)


class _Painted:
    """Adds the seconds until the window is painted."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def __enter__(self) -> None:
        self._start = time.perf_counter()
        self._processor_start = time.process_time()

    def __exit__(self, *_: object) -> None:
        QApplication.processEvents()
        self._tally.seconds += time.perf_counter() - self._start
        self._tally.processor_seconds += time.process_time() - self._processor_start


# ------------------------------------------------------------------------------ errors
def planted(truth: NDArray[np.int32]) -> tuple[NDArray[np.int32], list[Error]]:
    """Return labels with errors, each in cells of its own, and what they are."""
    labels, errors = truth.copy(), list[Error]()
    boxes = ndimage.find_objects(truth)
    used: set[int] = set()
    for first, second in touching_pairs(truth):
        if sum(one.kind == "merged" for one in errors) == COUNTS["merged"]:
            break
        if {first, second} & used or not all(map(inside(boxes, 8), (first, second))):
            continue
        used |= {first, second}
        labels[truth == second] = first
        errors.append(Error("merged", line=between(truth, first, second)))
    free = [cell for cell in range(1, truth.max() + 1) if cell not in used]
    free = [cell for cell in free if inside(boxes, 8)(cell)]
    new = int(truth.max()) + 1
    for cell in free[: COUNTS["cut"]]:
        errors.append(cut(labels, truth, cell, new))
        new += 1
    for cell in free[COUNTS["cut"] : COUNTS["cut"] + COUNTS["missed"]]:
        errors.append(Error("missed", outline=outline_of(truth == cell)))
        labels[truth == cell] = 0
    return labels, errors + dirt(labels, new)


def inside(boxes: list[Any], margin: int) -> Any:
    """Return a function that says whether a cell keeps off the edge of the image."""

    def is_inside(cell: int) -> bool:
        return all(
            part.start > margin and part.stop < size - margin
            for part, size in zip(boxes[cell - 1], SHAPE_YX, strict=True)
        )

    return is_inside


def touching_pairs(truth: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return pairs of cells that share a long edge."""
    pairs: dict[tuple[int, int], int] = {}
    for one, other in ((truth[1:], truth[:-1]), (truth[:, 1:], truth[:, :-1])):
        is_edge = (one != other) & (one > 0) & (other > 0)
        for a, b in zip(one[is_edge].tolist(), other[is_edge].tolist(), strict=True):
            key = (min(a, b), max(a, b))
            pairs[key] = pairs.get(key, 0) + 1
    return [pair for pair, length in sorted(pairs.items()) if length >= 6]


def between(truth: NDArray[np.int32], first: int, second: int) -> tuple[Point, Point]:
    """Return the line that parts two cells, from outside to outside."""
    near = ndimage.binary_dilation(truth == first) & ndimage.binary_dilation(
        truth == second
    )
    places = np.argwhere(near).astype(float)
    middle = places.mean(0)
    _, _, axes = np.linalg.svd(places - middle, full_matrices=False)
    reach = np.abs((places - middle) @ axes[0]).max() + 5
    start, end = middle - axes[0] * reach, middle + axes[0] * reach
    return (start[0], start[1]), (end[0], end[1])


def cut(
    labels: NDArray[np.int32], truth: NDArray[np.int32], cell: int, new: int
) -> Error:
    """Cut a cell in two; return the line from one piece to the other."""
    places = np.argwhere(truth == cell)
    middle = places.mean(0)
    upper = places[places[:, 0] < middle[0]]
    labels[upper[:, 0], upper[:, 1]] = new
    lower = places[places[:, 0] >= middle[0]]
    ends = [tuple(map(float, part.mean(0))) for part in (lower, upper)]
    return Error("cut", line=(ends[0], ends[1]))  # type: ignore[arg-type]


def dirt(labels: NDArray[np.int32], first_new: int) -> list[Error]:
    """Put discs on the ground that are no cells."""
    errors = []
    away = ndimage.distance_transform_edt(labels == 0)
    away[:20] = away[-20:] = 0
    away[:, :20] = away[:, -20:] = 0
    for new in range(first_new, first_new + COUNTS["false"]):
        y, x = np.unravel_index(int(np.argmax(away)), away.shape)
        rows, columns = np.ogrid[: SHAPE_YX[0], : SHAPE_YX[1]]
        distance = np.hypot(rows - y, columns - x)
        labels[distance < min(9.0, away[y, x] - 2)] = new
        away[distance < 40] = 0
        errors.append(Error("false", middle=(float(y), float(x))))
    return errors


def outline_of(mask: NDArray[np.bool_]) -> tuple[Point, ...]:
    """Return some 24 points around a cell."""
    contour = max(find_contours(mask.astype(float), 0.5), key=len)
    step = max(1, len(contour) // 24)
    return tuple((float(y), float(x)) for y, x in contour[::step])


# -------------------------------------------------------------------------------- ways
def with_our_tools(hand: Hand, errors: list[Error]) -> None:
    """Use the dock: a key for the tool, then a gesture an error."""
    keys = {"merged": Qt.Key.Key_K, "cut": Qt.Key.Key_J, "missed": Qt.Key.Key_A}
    for kind in COUNTS:
        hand.key(keys.get(kind, Qt.Key.Key_D))
        for error in errors:
            if error.kind != kind:
                continue
            if kind == "false":
                hand.click(error.middle)
            elif kind == "missed":
                hand.drag([*error.outline, error.outline[0]])
            else:
                start, end = error.line
                middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
                hand.drag([start, middle, end])


def with_napari(hand: Hand, errors: list[Error]) -> None:
    """Use napari's eraser, picker, bucket and polygon."""
    for error in errors:
        start, end = error.line
        if error.kind == "merged":
            hand.key(Qt.Key.Key_1)  # eraser, a line of background
            hand.drag([start, end])
            hand.key(Qt.Key.Key_M)  # a new number
            hand.key(Qt.Key.Key_4)  # bucket
            hand.click(beside(start, end))
        elif error.kind == "cut":
            hand.key(Qt.Key.Key_5)  # picker
            hand.click(start)
            hand.key(Qt.Key.Key_4)
            hand.click(end)
        elif error.kind == "missed":
            hand.key(Qt.Key.Key_M)
            hand.key(Qt.Key.Key_3)  # polygon: a click a corner, the last one twice
            for point in error.outline[::3]:
                hand.click(point)
            hand.key(Qt.Key.Key_Return)
        else:
            hand.key(Qt.Key.Key_1)
            hand.key(Qt.Key.Key_5)
            hand.click((2.0, 2.0))
            hand.key(Qt.Key.Key_4)
            hand.click(error.middle)


def beside(start: Point, end: Point) -> Point:
    """Return a place some pixels beside the middle of a line."""
    along = np.subtract(end, start)
    across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    place = np.add(start, end) / 2 + 9 * across
    return float(place[0]), float(place[1])


# --------------------------------------------------------------------------------- run
def wrong_cells(truth: NDArray[np.int32], labels: NDArray[np.int32]) -> int:
    """Return how many cells are missing, false or too far off."""
    (found,) = match_labels(truth, labels, [RIGHT_IOU])
    return found.false_positives + found.false_negatives


def corrected(way: str, truth: NDArray[np.int32], image: NDArray[Any]) -> Tally:
    """Put the errors right one way, say what is left, and return what it cost."""
    labels, errors = planted(truth)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 950)
    viewer.add_image(image)
    layer = viewer.add_labels(labels.copy())
    dock = None
    if way == "ours":
        dock = CellSegmentationWidget(viewer)
        viewer.window.add_dock_widget(dock, area="right")
        settle()
        dock.keeper.choose(0)
        layer = dock.keeper.layer
    viewer.reset_view()
    settle()
    hand = Hand(viewer, layer)
    before = wrong_cells(truth, np.asarray(layer.data))
    if dock is None:
        layer.brush_size, layer.contiguous, layer.n_edit_dimensions = 2, True, 2
        viewer.layers.selection.active = layer
    (with_our_tools if dock else with_napari)(hand, errors)
    settle()
    left = wrong_cells(truth, np.asarray(layer.data))
    print(f"{way}: {len(errors)} errors, {before} cells wrong before, {left} after")
    if dock is not None:
        dock.release()
    viewer.close()
    return hand.tally


def settle() -> None:
    """Let the window come to rest."""
    until = time.perf_counter() + 1.0
    while time.perf_counter() < until:
        QApplication.processEvents()
        time.sleep(0.01)


def cellpose() -> Tally:
    """Return what the manual of the Cellpose GUI asks for."""
    tally = Tally()
    for kind, count in COUNTS.items():
        clicks, drags, keys = CELLPOSE[kind]
        tally.clicks += clicks * count
        tally.drags += drags * count
        tally.keys += keys * count
    return tally


def main() -> int:
    """Print the table."""
    scene = make_scene(SceneOptions(SHAPE_YX, CELLS), seed=4)
    image = scene.image.plane()[0]
    rows = {way: corrected(way, scene.labels, image) for way in ("ours", "napari")}
    rows["Cellpose GUI, by its manual"] = cellpose()
    heads = ("clicks", "drags", "keys", "seconds", "of processor")
    print(f"{'':30}" + "".join(f"{head:>13}" for head in heads))
    for name, tally in rows.items():
        times = (tally.seconds, tally.processor_seconds)
        shown = [f"{one:.1f}" if one else "-" for one in times]
        cells = (tally.clicks, tally.drags, tally.keys, *shown)
        print(f"{name:30}" + "".join(f"{cell:>13}" for cell in cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
