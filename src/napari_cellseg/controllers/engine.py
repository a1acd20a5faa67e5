"""The door from the window to the engines; one warm segmenter at a time."""

from __future__ import annotations

import threading
from typing import Protocol

from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import SegmentationResult


class Engine(Protocol):
    """What the window needs of the engines."""

    def list_models(self) -> list[ModelSpec]:
        """Return the models that can be chosen, the default first."""
        ...

    def open_segmenter(self, model: str | None) -> Segmenter:
        """Return a segmenter; None is the default model. May take seconds."""
        ...

    def decode(
        self, result: SegmentationResult, options: SegmentOptions
    ) -> SegmentationResult:
        """Decode the kept maps of a result with other thresholds."""
        ...


class LocalEngine:
    """This computer: each model in a child process of its own."""

    def list_models(self) -> list[ModelSpec]:
        """Return the models of this computer, the default first."""
        from napari_cellseg.engines import list_models

        return list_models()

    def open_segmenter(self, model: str | None) -> Segmenter:
        """Return a segmenter that runs in a warm child process."""
        from napari_cellseg.engines import open_segmenter

        return open_segmenter("local", model, in_child=True)

    def decode(
        self, result: SegmentationResult, options: SegmentOptions
    ) -> SegmentationResult:
        """Decode the kept maps of a result with other thresholds."""
        from napari_cellseg.core.decode import decode_result

        return decode_result(result, options)


class WarmSegmenter:
    """Keeps the segmenter of one model open between jobs; used from the job's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._model: str | None = None
        self._segmenter: Segmenter | None = None
        self._is_closed = False

    def get(self, model: str | None) -> Segmenter:
        """Return the segmenter of a model; that of another model is closed."""
        with self._lock:
            if self._segmenter is not None and self._model == model:
                return self._segmenter
            self._drop()
            segmenter = self._engine.open_segmenter(model)
            if self._is_closed:
                segmenter.close()
            self._model, self._segmenter = model, segmenter
            return segmenter

    @property
    def device(self) -> str:
        """Where it runs, "" until known."""
        segmenter = self._segmenter
        return "" if segmenter is None else segmenter.device

    def close(self) -> None:
        """Close what is open, now or as soon as it has opened."""
        self._is_closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _drop(self) -> None:
        if self._segmenter is not None:
            self._segmenter.close()
        self._segmenter = None


def warm_up(segmenters: WarmSegmenter, model: str | None) -> Job[str]:
    """Open a model's segmenter and return where it runs, in words."""
    yield Progress(0, 0, "waking the model")
    return segmenters.get(model).device
