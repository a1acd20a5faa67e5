"""What goes into a project, and what a crash left in its journal only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from napari_cellseg.core.edits import Source
from napari_cellseg.core.history import History
from napari_cellseg.core.types import Labels, PixelSize


@dataclass(frozen=True, slots=True)
class Recovered:
    """Work on one image that a crash left in the journal only.

    Attributes
    ----------
    image : str
        Name of the image.
    n_steps : int
        Corrections, undos and redos.
    last_at : float
        When the last one was made, in seconds since 1970 (UTC).
    """

    image: str
    n_steps: int
    last_at: float


@dataclass(frozen=True, slots=True, eq=False)
class NewLabels:
    """Labels that are taken into a project.

    Attributes
    ----------
    labels : int32 array
        2-D to 4-D.
    axes : str
        One letter an axis of the labels, such as ``"ZYX"``.
    sources : mapping of int to Source
        Who made each cell.
    confidence : mapping of int to float
        The model's confidence where there is one.
    pixel_size : PixelSize or None
        For the metadata of the OME-Zarr.
    history : History
        Steps that were made before there was a project.
    classes : mapping of int to str
        What kind each cell is, where it was said.
    """

    labels: Labels
    axes: str
    sources: Mapping[int, Source] = field(default_factory=dict)
    confidence: Mapping[int, float] = field(default_factory=dict)
    pixel_size: PixelSize | None = None
    history: History = field(default_factory=History)
    classes: Mapping[int, str] = field(default_factory=dict)
