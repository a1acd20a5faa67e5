"""What goes into a project, and what a crash left in its journal only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_cellseg.core.counted import counted
from napari_cellseg.core.editing.checked import CheckedArea, ReviewState
from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.editing.lineage_steps import Lineage
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.labels.rows import CellRows
from napari_cellseg.core.types import Labels, PixelSize
from napari_cellseg.project.cells.cell_facts import CellFacts

#: The order in which labels have their axes.
ORDER = "TZYX"


def labels_axes_of(axes: str) -> str:
    """Return the axes of labels of an image, whatever the order of the image's own."""
    return "".join(axis for axis in ORDER if axis in axes)


@dataclass(frozen=True, slots=True)
class Recovered:
    """Work on one image that a crash left in the journal only.

    Attributes
    ----------
    image : str
        Name of the image.
    n_steps : int
        Corrections, undos and redos.
    """

    image: str
    n_steps: int


def recovered_words(found: Sequence[Recovered]) -> str:
    """Return what a crash had left in the journal only, in a sentence."""
    n_steps = sum(one.n_steps for one in found)
    where = f"'{found[0].image}'" if len(found) == 1 else f"{len(found)} images"
    steps = counted(n_steps, "step")
    return (
        f"The last session did not end properly. Recovered: {steps} on {where}; "
        "undo still works on each."
    )


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
    states : mapping of int to ReviewState
        What a person said of each cell that was looked at.
    areas : sequence of CheckedArea
        Where everything was looked at.
    lineage : Lineage
        Which cell came of which.
    is_handed_over : bool
        Whether the array itself is that of the project from now on; False copies it.
    rows : CellRows or None
        Where each cell lies, if that is known.
    """

    labels: Labels
    axes: str
    sources: Mapping[int, Source] = field(default_factory=dict)
    confidence: Mapping[int, float] = field(default_factory=dict)
    pixel_size: PixelSize | None = None
    history: History = field(default_factory=History)
    classes: Mapping[int, str] = field(default_factory=dict)
    states: Mapping[int, ReviewState] = field(default_factory=dict)
    areas: Sequence[CheckedArea] = ()
    lineage: Lineage = field(default_factory=Lineage)
    is_handed_over: bool = False
    rows: CellRows | None = None

    def check_axes(self) -> None:
        """Raise `ProjectError` if the axes are not those of the labels, in their order."""
        shape, known = self.labels.shape, labels_axes_of(self.axes)
        if self.axes != known or len(known) != len(shape):
            raise ProjectError(
                f"Cells of shape {shape} cannot have the axes '{self.axes}'; one letter "
                f"an axis is needed, in the order {ORDER}. Say what the image's axes are."
            )

    def frame_row(self, image_id: int) -> tuple[str, str, int]:
        """Return shape, axes and image as the database keeps them."""
        return json.dumps(list(self.labels.shape)), self.axes, image_id

    def facts(self) -> CellFacts:
        """Return what the project reads of the cells once it has them."""
        known = self.sources
        return CellFacts(
            dict(known),
            {one: float(n) for one, n in self.confidence.items() if one in known},
            {one: kind for one, kind in self.classes.items() if kind and one in known},
        )

    def cell_rows(
        self, image_id: int
    ) -> list[tuple[int, int, Source, float | None, str]]:
        """Return image, number, source, confidence and class of each cell."""
        return [
            (
                image_id,
                cell,
                source,
                self.confidence.get(cell),
                self.classes.get(cell, ""),
            )
            for cell, source in self.sources.items()
        ]


@dataclass(frozen=True, slots=True, eq=False)
class LargeLabels:
    """Labels that are taken into a project block by block; all cells are a model's.

    Attributes
    ----------
    shape : tuple of int
        2-D to 4-D.
    axes : str
        One letter an axis of the labels, such as ``"ZYX"``.
    pixel_size : PixelSize or None
        For the metadata of the OME-Zarr.
    labels : array or None
        Whole numbers, read by boxes; None: there is no cell yet.
    name : str
        What undo says of it.
    """

    shape: tuple[int, ...]
    axes: str
    pixel_size: PixelSize | None = None
    labels: Any = None
    name: str = ""
