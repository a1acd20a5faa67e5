"""Cells that the model missed, found by a click or a box with the model's own maps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.find_cell import (
    add_found,
    cell_at_point,
    cell_in_box,
    maps_on,
)
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import on_plane, shifted
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult

#: The model looks at a window of this edge around the pointer, in pixels, once.
WINDOW_PX = 640
#: A cell may reach so far from the pointer.
REACH_PX = 160
N_WINDOWS = 12


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What a model saw of a window."""

    image: CellImage
    model: str
    region: Region
    maps: PlaneMaps

    def holds(self, wanted: Region) -> bool:
        """Say whether a region lies in the window."""
        top, left, bottom, right = self.region.box_yx_yx
        low_y, low_x, high_y, high_x = wanted.box_yx_yx
        is_inside = (
            top <= low_y and left <= low_x and high_y <= bottom and high_x <= right
        )
        return is_inside and self.region.plane == wanted.plane


class FindController:
    """Adds the cell under the pointer.

    Where the last run has kept its maps, or the model has looked at the place before, the
    cell is there at once; else the model looks at a window around it first.

    Parameters
    ----------
    segment : SegmentController
        Image, model and options.
    proofread : ProofreadController
        Takes the cell.
    task : TaskController
        Lets the model look, off the main thread.
    """

    def __init__(
        self,
        segment: SegmentController,
        proofread: ProofreadController,
        task: TaskController,
    ) -> None:
        self._segment = segment
        self._proofread = proofread
        self.task = task
        self._seen: deque[_Seen] = deque(maxlen=N_WINDOWS)

    def find(self, points_yx: NDArray[np.float64], plane: tuple[int, ...]) -> None:
        """Add the cell at a point (1, 2), or in the box of several points (n, 2).

        Raises
        ------
        EditError
            If no cell is seen there, or the model is still looking.
        ImageError
            If there is no image or model.
        """
        image = self._image()
        points = np.asarray(points_yx, float)
        height, width = image.labels_shape[-2:]
        if (
            not ((points >= -0.5) & (points < (height - 0.5, width - 0.5)))
            .any(axis=0)
            .all()
        ):
            raise EditError("Click inside the image.")
        wanted = self._around(points, plane, REACH_PX)
        seen = self._maps_of(image, wanted)
        if seen is not None:
            self._add(seen, points, plane)
            return
        if self.task.is_running:
            raise EditError(
                "The model is still looking at the last place; wait a moment."
            )
        window = self._around(points, plane, WINDOW_PX // 2)
        job = self._segment.look(window)
        model = self._model()

        def take(result: SegmentationResult) -> None:
            seen = _Seen(image, model, window, self._first_maps(result))
            self._seen.append(seen)
            if self._segment.session.shows(image):
                self._add(seen, points, plane)

        self.task.start("Looking for the cell", job, take)

    def forget(self) -> None:
        """Forget what was seen."""
        self._seen.clear()

    def _image(self) -> CellImage:
        image, labels = self._segment.session.image, self._proofread.labels
        if image is None or labels is None or labels.shape != image.labels_shape:
            raise EditError(
                "The cells are not those of the image above. Choose its own."
            )
        return image

    def _model(self) -> str:
        model = self._segment.model
        return "" if model is None else model.name

    def _first_maps(self, result: SegmentationResult) -> PlaneMaps:
        if not result.maps:
            raise EditError(
                "The server did not send what the model sees. Run on this computer to find "
                "cells with a click."
            )
        return result.maps[0]

    def _around(
        self, points: NDArray[np.float64], plane: tuple[int, ...], reach_px: int
    ) -> Region:
        """Return a window around points, inside the image."""
        height, width = self._image().labels_shape[-2:]
        low = np.floor(points.min(axis=0)).astype(int) - reach_px
        high = np.ceil(points.max(axis=0)).astype(int) + reach_px
        box = (
            max(int(low[0]), 0),
            max(int(low[1]), 0),
            min(int(high[0]), height),
            min(int(high[1]), width),
        )
        return Region(box, plane)

    def _maps_of(self, image: CellImage, wanted: Region) -> _Seen | None:
        """Return what was seen of a place before, by this model."""
        model = self._model()
        for known in reversed(self._seen):
            is_it = known.image.data is image.data and known.model == model
            if is_it and known.holds(wanted):
                return known
        run = self._segment.run
        if run is None or run.image.data is not image.data or not run.result.maps:
            return None
        region, maps = run.region, run.result.maps
        if region is None:
            height, width = image.labels_shape[-2:]
            shape = image.labels_shape[:-2]
            place = int(np.ravel_multi_index(wanted.plane, shape)) if shape else 0
            region = Region((0, 0, height, width), wanted.plane)
            maps = maps[place : place + 1]
        seen = _Seen(image, model, region, maps[0]) if maps else None
        is_ours = seen is not None and run.result.model_name == model
        return seen if is_ours and seen is not None and seen.holds(wanted) else None

    def _add(
        self, seen: _Seen, points: NDArray[np.float64], plane: tuple[int, ...]
    ) -> None:
        """Add the cell to the labels."""
        labels = self._proofread.labels
        if labels is None:
            return
        is_box = len(points) > 1
        around = self._around(points, plane, 0 if is_box else REACH_PX).box_yx_yx
        top, left = around[:2]
        box = (slice(top, around[2]), slice(left, around[3]))
        origin = seen.region.box_yx_yx
        maps = maps_on(seen.maps, shifted(box, origin[:2]))
        is_free = labels[on_plane(plane, box)] == 0
        if is_box:
            mask = cell_in_box(maps, is_free)
        else:
            y, x = (round(float(value)) for value in points[0])
            mask = cell_at_point(maps, is_free, (y - top, x - left))
        self._proofread.make(add_found, mask, (top, left), plane)
