"""Another program behind our `Segmenter`: the same image in, the same result out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import CellsegError, ModelError, SegmentationError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import keep_good
from napari_cellseg.core.segmentation.intensity import choose_channels
from napari_cellseg.core.segmentation.join_planes import PlanesInOne
from napari_cellseg.core.segmentation.with_nuclei import segment_with_nuclei
from napari_cellseg.core.types import CellImage, Labels, SegmentationResult
from napari_cellseg.nn.adapters.offers import ForeignProgram, Offer

#: What other programs raise for all sorts of reasons; told in words at this one seam.
FOREIGN_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

Answer = TypeVar("Answer")


class AdapterSegmenter:
    """Runs a model of another program in this process.

    Parameters
    ----------
    offer : Offer
        The program, installed.
    name : str
        Its model.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    ModelError
        If program or model cannot be loaded.
    """

    def __init__(self, offer: Offer, name: str, device: str = "auto") -> None:
        self._title = f"{offer.title} {offer.version}"

        def load() -> ForeignProgram:
            return offer.load(name, device)

        self._program = self._asked(load, ModelError, "could not load its model")
        self._spec = replace(offer.spec_of(name), weights_sha256=self._program.digest)

    @property
    def spec(self) -> ModelSpec:
        """The model that it runs."""
        return self._spec

    @property
    def device(self) -> str:
        """Where it runs, such as ``"CPU"``."""
        return self._program.device

    def close(self) -> None:
        """Nothing is held beyond this object."""

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Segment every plane of `image`; no maps are kept, they are not ours."""
        if options.nuclei_channel is not None:
            return (yield from segment_with_nuclei(self, image, options))
        started = time.perf_counter()
        channels = list(choose_channels(image, options.channel))
        found = PlanesInOne(image.labels_shape)
        for place, index in enumerate(image.plane_indices()):
            words = self._title if image.n_planes == 1 else f"plane {place + 1}"
            yield Progress(place, image.n_planes, f"{words} is running")
            found.add(*self._plane(image.plane(index)[channels], options))
        labels, confidence = found.joined(image.labels_axes, options)
        return SegmentationResult(
            labels,
            confidence,
            self._spec.name,
            self._spec.weights_sha256,
            options,
            self.device,
            time.perf_counter() - started,
            axes=image.labels_axes,
        )

    def _plane(
        self, plane: NDArray[np.generic], options: SegmentOptions
    ) -> tuple[Labels, NDArray[np.float32]]:
        """Return labels and confidences of a plane, small and doubtful cells left out."""
        finite = np.nan_to_num(plane, nan=0.0, posinf=0.0, neginf=0.0)

        def run() -> tuple[Labels, NDArray[np.float32]]:
            return self._program.segment_plane(finite, options)

        labels, confidence = self._asked(run, SegmentationError, "stopped")
        if labels.shape != plane.shape[1:]:
            raise SegmentationError(
                f"{self._title} gave labels of {labels.shape} for a plane of "
                f"{plane.shape[1:]}; this version is not one that can be used here."
            )
        return keep_good(labels, confidence, options)

    def _asked(
        self, ask: Callable[[], Answer], error: type[CellsegError], what: str
    ) -> Answer:
        """Return what the program answers; what it raises becomes one of our errors."""
        try:
            # Such programs print; our standard output belongs to results.
            with redirect_stdout(sys.stderr):
                return ask()
        except FOREIGN_ERRORS as reason:
            first = (str(reason).strip().splitlines() or [type(reason).__name__])[0]
            raise error(
                f"{self._title} {what}: {first}. Try it in that program itself, or choose "
                "another model."
            ) from reason
