"""The door from the window to the engines; one warm segmenter at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
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

    def use_server(self, address: str, token: str) -> None:
        """Run on a lab server from now on, "" on this computer. May take seconds.

        Raises
        ------
        RemoteError
            If the server cannot be reached; nothing is changed then.
        """
        ...

    def decode(
        self, result: SegmentationResult, options: SegmentOptions
    ) -> SegmentationResult:
        """Decode the kept maps of a result with other thresholds."""
        ...


class LocalEngine:
    """Runs models on this computer, in a child process of its own, or on a lab server."""

    def __init__(self) -> None:
        self._address = ""
        self._token = ""
        self._models: list[ModelSpec] = []

    def list_models(self) -> list[ModelSpec]:
        """Return the models of this computer, the default first, or the server's one."""
        from napari_cellseg.engines import list_models

        return self._models if self._address else list_models()

    def missing_programs(self) -> list[tuple[str, str]]:
        """Return the programs that could add models; none while a server is used."""
        from napari_cellseg.nn.adapters import missing_programs

        return [] if self._address else missing_programs()

    def open_segmenter(self, model: str | None) -> Segmenter:
        """Return a segmenter that runs in a warm child process, or on the server."""
        from napari_cellseg.engines import LOCAL, open_segmenter

        if self._address:
            return open_segmenter(self._address, token=self._token)
        return open_segmenter(LOCAL, model, in_child=True)

    def use_server(self, address: str, token: str) -> None:
        """Run on a lab server from now on, "" on this computer."""
        from napari_cellseg.engines import open_segmenter

        if address:
            segmenter = open_segmenter(address, token=token)
            self._models = [segmenter.spec]
            segmenter.close()
        self._address, self._token = address, token

    def decode(
        self, result: SegmentationResult, options: SegmentOptions
    ) -> SegmentationResult:
        """Decode the kept maps of a result with other thresholds."""
        from napari_cellseg.core.decode import decode_result

        return decode_result(result, options)


class WarmSegmenter:
    """Keeps the segmenter of one model open; one job uses it at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._model: str | None = None
        self._segmenter: Segmenter | None = None
        self._is_closed = False

    def warm_up(self, model: str | None) -> Job[str]:
        """Open a model's segmenter and return where it runs, in words."""
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

    def move(self, address: str, token: str) -> Job[None]:
        """Run on a server from now on, "" on this computer; what is open is closed."""
        yield from self._wait()
        try:
            yield Progress(0, 0, f"asking {address}" if address else "coming back")
            self._engine.use_server(address, token)
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
        yield Progress(0, 0, "waking the model")
        while not self._lock.acquire(timeout=POLL_SECONDS):
            yield Progress(0, 0, "waking the model")

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
