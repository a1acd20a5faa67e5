"""What every engine offers, local, remote or a fake for tests."""

from __future__ import annotations

from typing import Protocol

from napari_cellseg.core.jobs import Job
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage, SegmentationResult


class Segmenter(Protocol):
    """Turns an image into labels.

    Attributes
    ----------
    spec : ModelSpec
        The model it runs.
    """

    @property
    def spec(self) -> ModelSpec:
        """The model that it runs."""
        ...

    @property
    def device(self) -> str:
        """Where it runs, in words such as "CPU"; "" until known."""
        ...

    def segment(
        self, image: CellImage, options: SegmentOptions
    ) -> Job[SegmentationResult]:
        """Segment every plane of `image`; raises `CellsegError`."""
        ...

    def close(self) -> None:
        """Free what it holds (a process, a connection); safe to call twice."""
        ...
