"""The door from the window to the engines; one warm segmenter at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.run_place import HERE, RunPlace
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, SegmentationResult

#: A cancel is noticed within this time while another job ends.
POLL_SECONDS = 0.1


class Engine(Protocol):
    """What the window needs of the engines."""

    def list_models(self) -> list[ModelSpec]:
        """Return the models that can be chosen, the default first."""
        ...

    def missing_programs(self) -> list[tuple[str, str]]:
        """Return title and install command of each program that could add models."""
        ...

    def open_segmenter(self, model: str | None) -> Segmenter:
        """Return a segmenter; None is the default model. May take seconds."""
        ...

    def use_place(self, place: RunPlace) -> None:
        """Run somewhere else from now on. May take seconds.

        Raises
        ------
        RemoteError
            If the server cannot be reached; nothing is changed then.
        """
        ...

    def check_place(self, place: RunPlace) -> Job[list[str]]:
        """Ask a server what it is, and return that in lines; see `engines`."""
        ...

    def compare_with_here(
        self, place: RunPlace, image: CellImage, options: SegmentOptions
    ) -> Job[str]:
        """Segment a window there and here, and return in words how it compares."""
        ...

    def account_names(self) -> tuple[list[str], list[str]]:
        """Return the profiles of this computer, and the regions of AWS."""
        ...

    def endpoint_names(self, place: RunPlace) -> list[str]:
        """Return the endpoints of a profile and region."""
        ...

    def decode(
        self, result: SegmentationResult, options: SegmentOptions
    ) -> SegmentationResult:
        """Decode the kept maps of a result with other thresholds."""
        ...


class LocalEngine:
    """Runs models on this computer, in a child process of its own, or on a server."""

    def __init__(self) -> None:
        self._place = HERE
        self._models: list[ModelSpec] = []

    def list_models(self) -> list[ModelSpec]:
        """Return the models of this computer, the default first, or the server's one."""
        from napari_cellseg.engines import list_models

        return list_models() if self._place.is_here else self._models

    def missing_programs(self) -> list[tuple[str, str]]:
        """Return the programs that could add models; none while a server is used."""
        from napari_cellseg.nn.adapters import missing_programs

        return missing_programs() if self._place.is_here else []

    def open_segmenter(self, model: str | None) -> Segmenter:
        """Return a segmenter that runs in a warm child process, or on the server."""
        from napari_cellseg.engines import open_place

        return open_place(self._place, model)

    def use_place(self, place: RunPlace) -> None:
        """Run somewhere else from now on, once it has said which model it runs."""
        from napari_cellseg.engines import open_place

        if not place.is_here:
            segmenter = open_place(place, None)
            self._models = [segmenter.spec]
            segmenter.close()
        self._place = place

    def check_place(self, place: RunPlace) -> Job[list[str]]:
        """Ask a server what it is, and return that in lines."""
        from napari_cellseg.engines import check_place

        return check_place(place)

    def compare_with_here(
        self, place: RunPlace, image: CellImage, options: SegmentOptions
    ) -> Job[str]:
        """Segment a window there and here, and return in words how it compares."""
        from napari_cellseg.engines import compare_with_here

        return compare_with_here(place, image, options)

    def account_names(self) -> tuple[list[str], list[str]]:
        """Return the profiles of this computer, and the regions of AWS."""
        from napari_cellseg.engines import account_names

        return account_names()

    def endpoint_names(self, place: RunPlace) -> list[str]:
        """Return the endpoints of a profile and region."""
        from napari_cellseg.engines import endpoint_names

        return endpoint_names(place)

    def decode(
        self, result: SegmentationResult, options: SegmentOptions
    ) -> SegmentationResult:
        """Decode the kept maps of a result with other thresholds."""
        from napari_cellseg.core.segmentation.decode import decode_result

        return decode_result(result, options)


class WarmSegmenter:
    """Keeps the segmenter of one model open; one job uses it at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._model: str | None = None
        self._segmenter: Segmenter | None = None
        self._is_closed = False

    def warm_up(
        self, model: str | None, then: Callable[[], None] | None = None
    ) -> Job[str]:
        """Open a model's segmenter and return where it runs, in words; then do one thing more."""
        device = yield from self._warmed_up(model)
        if then is not None:
            then()
        return device

    def _warmed_up(self, model: str | None) -> Job[str]:
        yield from self._wait()
        try:
            segmenter = self._opened(model)
            warm_up: Callable[[], Job[str]] | None = getattr(segmenter, "warm_up", None)
            if warm_up is None:
                return segmenter.device
            return (yield from warm_up())
        finally:
            self._leave()

    def segment(
        self, model: str | None, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Segment an image with a model, opened where it is not."""
        yield from self._wait()
        try:
            return (yield from self._opened(model).segment(image, options))
        finally:
            self._leave()

    def move(self, place: RunPlace) -> Job[None]:
        """Run somewhere else from now on; what is open is closed."""
        yield from self._wait()
        try:
            yield Progress(0, 0, f"going to {place.title}")
            self._engine.use_place(place)
            self._drop()
        finally:
            self._leave()

    @property
    def device(self) -> str:
        """Where it runs, "" until known."""
        segmenter = self._segmenter
        return "" if segmenter is None else segmenter.device

    def close(self) -> None:
        """Close what is open, now or as soon as the job that uses it has stopped."""
        self._is_closed = True
        if self._lock.acquire(blocking=False):
            self._leave()

    def _wait(self) -> Job[None]:
        """Wait until no other job uses the segmenter."""
        yield Progress(0, 0, "loading the model")
        while not self._lock.acquire(timeout=POLL_SECONDS):
            yield Progress(0, 0, "loading the model")

    def _opened(self, model: str | None) -> Segmenter:
        """Return the segmenter of a model; that of another model is closed."""
        if self._segmenter is None or self._model != model:
            self._drop()
            self._segmenter = self._engine.open_segmenter(model)
            self._model = model
        return self._segmenter

    def _leave(self) -> None:
        """Let the next job in, or close when the window is gone."""
        if self._is_closed:
            self._drop()
        self._lock.release()

    def _drop(self) -> None:
        segmenter, self._segmenter = self._segmenter, None
        if segmenter is not None:
            segmenter.close()
