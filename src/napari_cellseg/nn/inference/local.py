"""The local engine: image to labels in this process."""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.model_spec import ModelSpec, settled_options
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import choose_channels
from napari_cellseg.core.segmentation.join_planes import PlanesInOne
from napari_cellseg.core.segmentation.part import PlanePart
from napari_cellseg.core.segmentation.stack_zoom import Found, PlaneIndex, StackZoom
from napari_cellseg.core.segmentation.with_nuclei import segment_with_nuclei
from napari_cellseg.core.types import CellImage, PlaneMaps, SegmentationResult
from napari_cellseg.io.models.folder import find_model
from napari_cellseg.nn.inference.looking import Looker
from napari_cellseg.nn.inference.predict import Predictor
from napari_cellseg.nn.inference.runtimes import open_predictor
from napari_cellseg.nn.memory import check_memory
from napari_cellseg.nn.weights import load_model


class LocalSegmenter:
    """Runs a model in this process.

    Parameters
    ----------
    model : str, Path or None
        Name or folder; None means the default model.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``, or one of `nn.inference.runtimes.RUNTIMES`.
    thread : Executor or None
        The one thread on which the network runs, for who segments from several threads;
        see `for_many_threads`.

    Raises
    ------
    ModelError, SegmentationError
        If the model cannot be used, or the device is not there.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        device: str = "auto",
        thread: Executor | None = None,
    ) -> None:
        network, self._spec = load_model(find_model(model))
        self._predictor, self._device = open_predictor(
            network, self._spec, device, thread
        )

    @property
    def spec(self) -> ModelSpec:
        """The model that it runs."""
        return self._spec

    @property
    def device(self) -> str:
        """Where it runs, such as ``"CPU"``."""
        return self._device

    def close(self) -> None:
        """Nothing is held beyond this object."""

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Segment every plane of `image`; see `Segmenter`."""
        if options.nuclei_channel is not None:
            return (yield from segment_with_nuclei(self, image, options))
        started = time.perf_counter()
        channels = choose_channels(image, options.channel)
        options = settled_options(options, self._spec)
        check_memory(image, options)
        yield Progress(0, 0, "reading the image")
        lookers = _Lookers(self._predictor, self._spec, image, channels, options)
        zooms = StackZoom(image, lookers.find_zoom, is_given=not options.looks_for_size)
        kept: list[PlaneMaps] = []
        found = PlanesInOne(image.labels_shape)
        for place, index in enumerate(image.plane_indices()):
            zoom, diameter_px = yield from zooms.at(index)
            options = replace(options, diameter_px=diameter_px)
            looker = lookers.take(index)
            maps = yield from _placed(looker.maps_at(zoom), place, image.n_planes)
            found.add(*looker.labels_of(maps, options))
            if options.keep_maps:
                kept.append(maps)
        labels, confidence = found.joined(image.labels_axes, options)
        seconds = time.perf_counter() - started
        return SegmentationResult(
            labels,
            confidence,
            self._spec.name,
            self._spec.weights_sha256,
            options,
            self.device,
            seconds,
            tuple(kept),
            image.labels_axes,
        )

    def find_zoom(
        self, plane: NDArray[Any], bounds: tuple[float, float], options: SegmentOptions
    ) -> Job[tuple[float, float | None]]:
        """Return zoom and diameter for a plane; see `PartSegmenter`."""
        settled = settled_options(options, self._spec)
        looker = Looker(self._predictor, self._spec, plane, settled, bounds)
        return (yield from looker.find_zoom())

    def maps_of_part(
        self, part: PlanePart, options: SegmentOptions
    ) -> Job[NDArray[np.uint8]]:
        """Return the maps of a part's core; see `PartSegmenter`."""
        yield Progress(0, 1, "reading the part")
        maps = self._predictor.maps_of(
            part.seen(), augmented=options.preset == "accurate"
        )
        return maps[(slice(None), *part.frame.tile.core_in_window)]


def for_many_threads(model: str | Path | None, device: str) -> LocalSegmenter:
    """Return a segmenter that several threads may use at a time; see `LocalSegmenter`.

    One thread opens the network and runs it. If each ran it by itself, OpenMP would keep a
    team of threads for each of them; from more threads than processors on it lets them
    sleep at every step, some 480 times for an image of 512² px, which took 40 of 175 ms.

    It has segmented an image already, so that whoever asks first does not wait for what is
    compiled or reserved at the first call.
    """
    thread = ThreadPoolExecutor(1, "cellseg-network")
    segmenter = thread.submit(LocalSegmenter, model, device, thread).result()
    plane = np.zeros((64, 64), np.uint8)
    plane[20:44, 20:44] = 200
    run(segmenter.segment(CellImage(plane[None]), SegmentOptions()))
    return segmenter


@dataclass(slots=True)
class _Lookers:
    """One looker a plane; what was seen while looking for the size is used again."""

    predictor: Predictor
    spec: ModelSpec
    image: CellImage
    channels: tuple[int, ...]
    options: SegmentOptions
    kept: dict[PlaneIndex, Looker] = field(default_factory=dict)

    def find_zoom(self, index: PlaneIndex) -> Job[Found]:
        """Return zoom and diameter of a plane, its looker kept until it is taken."""
        self.kept[index] = self.take(index)
        return self.kept[index].find_zoom()

    def take(self, index: PlaneIndex) -> Looker:
        """Return the looker of a plane."""
        if index in self.kept:
            return self.kept.pop(index)
        plane = self.image.plane(index)[list(self.channels)]
        return Looker(self.predictor, self.spec, plane, self.options)


def _placed(
    job: Job[PlaneMaps], place: int, n_planes: int
) -> Generator[Progress, None, PlaneMaps]:
    """Pass a plane's job on, its progress counted over all planes."""
    while True:
        try:
            step = next(job)
        except StopIteration as stop:
            maps: PlaneMaps = stop.value
            return maps
        words = step.message if n_planes == 1 else f"plane {place + 1} of {n_planes}"
        yield Progress(place * step.total + step.done, n_planes * step.total, words)
