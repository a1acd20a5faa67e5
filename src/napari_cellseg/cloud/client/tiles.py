"""A large image on a server: sent in tiles, put together here.

A server says what the network makes of each tile; thresholds, seeds and outlines are
worked out here, on the maps of the whole plane. No cell is ever cut at the edge of a
tile, and the labels are those of the image in one piece.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.cloud.client.kept import KeptTiles, forget_old, kept_folder, key_of
from napari_cellseg.cloud.client.line import POLL_SECONDS, WAITS, Call, Line, asked
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.wire.envelope import JSON_TYPE, RESULT_TYPE, Message
from napari_cellseg.cloud.wire.parts import (
    N_MAPS,
    Seen,
    decode_json,
    decode_maps,
    encode_look,
    encode_part,
)
from napari_cellseg.core.errors import CellsegError, RemoteError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec, settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.segmentation.intensity import intensity_bounds
from napari_cellseg.core.segmentation.join_planes import PlanesInOne
from napari_cellseg.core.segmentation.part import cut_part
from napari_cellseg.core.segmentation.resize import seen_size
from napari_cellseg.core.segmentation.stack_zoom import Found, PlaneIndex, StackZoom
from napari_cellseg.core.segmentation.tiling import Tile, plan_tiles
from napari_cellseg.core.segmentation.zoom import middle_window, zoom_for
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult

#: While one tile is worked on, the next is on its way.
N_ON_THE_WAY = 2
#: How long tiles that are on their way are waited for after one has failed.
LAST_SECONDS = 20.0


class TiledRun:
    """One image on its way through a server in tiles.

    Parameters
    ----------
    line : Line
        To a server that answers parts.
    spec : ModelSpec
        The model that it runs; an answer of another one is not used.
    options : SegmentOptions
        As the person set them.
    """

    def __init__(self, line: Line, spec: ModelSpec, options: SegmentOptions) -> None:
        self._line, self._spec = line, spec
        self._options = settled_options(options, spec)
        self._device = ""
        self._kept: list[KeptTiles] = []

    def segment(
        self, image: CellImage, channels: tuple[int, ...]
    ) -> Job[SegmentationResult]:
        """Return the labels of every plane.

        Parameters
        ----------
        image : CellImage
            Of any size.
        channels : tuple of int
            One, or the three of a colour image.

        Raises
        ------
        RemoteError
            If the server does not answer; what has arrived is kept, and the same call
            goes on from there.
        """
        started = time.perf_counter()
        forget_old(kept_folder())
        options = self._options

        def find_zoom(index: PlaneIndex) -> Job[Found]:
            plane = image.plane(index)[list(channels)]
            return self._found_zoom(plane, self._bounds_of(plane))

        zooms = StackZoom(image, find_zoom, is_given=not options.looks_for_size)
        kept_maps: list[PlaneMaps] = []
        found = PlanesInOne(image.labels_shape)
        for place, index in enumerate(image.plane_indices()):
            zoom, diameter_px = yield from zooms.at(index)
            options = replace(options, diameter_px=diameter_px)
            plane = image.plane(index)[list(channels)]
            bounds = self._bounds_of(plane)
            words = f"plane {place + 1} of {image.n_planes} · " if place else ""
            maps = yield from self._maps(plane, bounds, zoom, words)
            yield Progress(0, 0, "outlining the cells")
            found.add(*labels_from_maps(maps, options))
            if options.keep_maps:
                kept_maps.append(maps)
        labels, confidence = found.joined(image.labels_axes, options)
        for kept in self._kept:
            kept.forget()
        return SegmentationResult(
            labels,
            confidence,
            self._spec.name,
            self._spec.weights_sha256,
            options,
            self._device,
            time.perf_counter() - started,
            tuple(kept_maps),
            image.labels_axes,
        )

    def _bounds_of(self, plane: NDArray[Any]) -> tuple[float, float]:
        """Return the values of a plane that become 0 and 1."""
        return intensity_bounds(
            plane, self._spec.low_percentile, self._spec.high_percentile
        )

    def _found_zoom(
        self, plane: NDArray[Any], bounds: tuple[float, float]
    ) -> Job[Found]:
        """Return zoom and diameter, asked of the server unless the person said them."""
        wanted = self._options.diameter_px
        if wanted is not None:
            return zoom_for(wanted, self._spec.diameter_px), wanted
        if self._options.preset == "fast":
            return 1.0, None
        window = middle_window((int(plane.shape[1]), int(plane.shape[2])))
        request = encode_look(plane[(slice(None), *window)], bounds, self._options)
        answer = yield from asked(self._line, request, JSON_TYPE)
        values = decode_json(answer, "zoom", "diameter_px", "model_digest")
        self._check_model(str(values["model_digest"]))
        diameter_px = values["diameter_px"]
        return float(values["zoom"]), None if diameter_px is None else float(
            diameter_px
        )

    def _maps(
        self, plane: NDArray[Any], bounds: tuple[float, float], zoom: float, words: str
    ) -> Job[PlaneMaps]:
        """Return the maps of a plane, tile by tile."""
        plane_yx = int(plane.shape[1]), int(plane.shape[2])
        seen_yx = seen_size(plane_yx, zoom)
        preset, digest = self._options.preset, self._spec.weights_sha256
        kept = KeptTiles(key_of(plane, bounds, zoom, preset, digest))
        self._kept.append(kept)
        maps = np.zeros((N_MAPS, *seen_yx), dtype=np.uint8)
        tiles = plan_tiles(seen_yx)
        missing: deque[Tile] = deque()
        for tile in tiles:
            body = kept.read(tile)
            if body is None or not self._is_put(maps, tile, body):
                missing.append(tile)
        n_there = len(tiles) - len(missing)
        if n_there:
            words = f"{words}{n_there} kept from before · "

        def request_for(tile: Tile) -> Message:
            return encode_part(cut_part(plane, bounds, zoom, tile), self._options)

        pending = _Pending(self._line, missing)
        try:
            while not pending.is_done:
                told = (
                    f"{words}tile {n_there + 1} of {len(tiles)}{pending.waiting_words}"
                )
                yield Progress(n_there, len(tiles), told)
                for tile, message in pending.step(request_for):
                    seen = self._put(maps, tile, message)
                    self._device = seen.device
                    kept.write(tile, message.body)
                    n_there += 1
        except RemoteError as error:
            for tile, message in pending.last_arrivals():
                if self._is_put(maps, tile, message.body):
                    kept.write(tile, message.body)
                    n_there += 1
            raise _with_what_is_kept(error, n_there, len(tiles)) from error
        finally:
            pending.stop()
        return PlaneMaps(maps, plane_yx)

    def _put(self, maps: NDArray[np.uint8], tile: Tile, message: Message) -> Seen:
        """Put an answer into its place."""
        shape_yx = (
            tile.core_y[1] - tile.core_y[0],
            tile.core_x[1] - tile.core_x[0],
        )
        part, seen = decode_maps(message, shape_yx)
        self._check_model(seen.model_digest)
        maps[(slice(None), *tile.core)] = part
        return seen

    def _is_put(self, maps: NDArray[np.uint8], tile: Tile, body: bytes) -> bool:
        """Put a kept answer into its place, unless it is damaged."""
        try:
            self._put(maps, tile, Message(body, RESULT_TYPE))
        except CellsegError:
            return False
        return True

    def _check_model(self, digest: str) -> None:
        if digest != self._spec.weights_sha256:
            raise RemoteError(
                f"{self._line.name} runs another model now ({digest:.12}…, before it was "
                f"{self._spec.weights_sha256:.12}…). Connect again, then repeat."
            )


class _Pending:
    """Tiles that are not there yet, a few of them on their way."""

    def __init__(self, line: Line, tiles: deque[Tile]) -> None:
        self._line, self._tiles = line, tiles
        self._calls: dict[Tile, Call] = {}
        self._arrived: list[tuple[Tile, Message]] = []
        self._n_refused = 0
        self._not_before = 0.0
        self.waiting_words = ""

    @property
    def is_done(self) -> bool:
        return not (self._tiles or self._calls)

    def step(self, request_for: Any) -> list[tuple[Tile, Message]]:
        """Send what can be sent, and return what has arrived."""
        is_waiting = time.monotonic() < self._not_before
        self.waiting_words = " · the server is busy; waiting" if is_waiting else ""
        while self._tiles and len(self._calls) < N_ON_THE_WAY and not is_waiting:
            tile = self._tiles.popleft()
            self._calls[tile] = Call(self._line, request_for(tile))
        if not self._calls:
            time.sleep(POLL_SECONDS)
        return self._arrivals()

    def _arrivals(self) -> list[tuple[Tile, Message]]:
        """Return what has arrived; what was refused at no cost is sent later."""
        arrived: list[tuple[Tile, Message]] = []
        for tile, call in list(self._calls.items()):
            try:
                news = call.poll(POLL_SECONDS)
            except CloudError as error:
                del self._calls[tile]
                if not error.is_free or self._n_refused >= len(WAITS):
                    self._arrived = arrived  # together with the failure
                    raise
                wait = max(WAITS[self._n_refused], error.seconds)
                self._not_before = time.monotonic() + wait
                self._n_refused += 1
                self._tiles.appendleft(tile)
                continue
            if isinstance(news, Message):
                del self._calls[tile]
                self._n_refused = 0
                arrived.append((tile, news))
        return arrived

    def last_arrivals(self) -> list[tuple[Tile, Message]]:
        """Return what was on its way when something else failed, for it is paid for."""
        until = time.monotonic() + LAST_SECONDS
        arrived = self._arrived
        while self._calls and time.monotonic() < until:
            for tile, call in list(self._calls.items()):
                try:
                    news = call.poll(POLL_SECONDS)
                except (CellsegError, OSError, ValueError, RuntimeError):
                    del self._calls[tile]
                    continue
                if isinstance(news, Message):
                    del self._calls[tile]
                    arrived.append((tile, news))
        return arrived

    def stop(self) -> None:
        """Give up what is on its way."""
        for call in self._calls.values():
            call.stop()


def _with_what_is_kept(error: RemoteError, n_there: int, n_tiles: int) -> RemoteError:
    """Return an error that says what has arrived."""
    if not n_there:
        return error
    words = (
        f"{error} {n_there} of {n_tiles} tiles have arrived and are kept: segment again, "
        "and it goes on from there."
    )
    if isinstance(error, CloudError):
        return CloudError(words, error.code, is_free=error.is_free)
    return RemoteError(words)
