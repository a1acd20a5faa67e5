"""What a training in the window learns from: this image, the project, or a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from napari_cellseg.controllers.labels.cells_before import is_done_at_once
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.core.counted import counted
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.training.item import (
    TrainingItem,
    TrainingSupply,
    TrainProgress,
    items_of,
    joined_supply,
    supply_of,
)
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.project.store import open_project
from napari_cellseg.project.training.training_items import project_items
from napari_cellseg.project.training.training_sources import folder_items

SourceKind = Literal["image", "project", "folder"]
#: Below it, a person is told that little will come of it.
FEW_CELLS = 50
UM2_IN_MM2 = 1e6
HOW_TO_CHECK = (
    "Correct or accept cells in the tab Correct, or mark an area or the whole image as "
    "checked there: only what you vouch for is learned."
)


class TrainingSource:
    """Collects what is checked.

    Parameters
    ----------
    session, segment, projects : controllers
        What is open, and what is checked of it.

    Attributes
    ----------
    kind : str
        ``"image"``: what is checked on the image that is open; ``"project"``: on all
        images of the project; ``"folder"``: all pairs of a folder.
    folder : Path or None
        Of the pairs.
    """

    def __init__(
        self, session: Session, segment: SegmentController, projects: ProjectController
    ) -> None:
        self._session = session
        self._segment = segment
        self._proofread: ProofreadController = segment.proofread
        self._projects = projects
        self.kind: SourceKind = "image"
        self.folder: Path | None = None
        self._is_chosen = False

    def choose(self, kind: SourceKind, folder: Path | None = None) -> None:
        """Learn from another source from now on."""
        self.kind = kind
        self.folder = folder if kind == "folder" else None
        self._is_chosen = True

    @property
    def kinds(self) -> tuple[SourceKind, ...]:
        """What there is to choose from."""
        has_project = self._projects.project is not None
        return ("image", "project", "folder") if has_project else ("image", "folder")

    @property
    def name(self) -> str:
        """What a person calls the source, "" where nothing is open."""
        project, image = self._projects.project, self._session.image
        if self.kind == "folder" and self.folder is not None:
            return self.folder.name
        if self.kind == "project" and project is not None:
            return project.name
        return "" if image is None else image.name

    def settle(self) -> None:
        """Take the project where one is open, until the person chooses otherwise."""
        if self.kind not in self.kinds:
            self._is_chosen = False
        if not self._is_chosen:
            self.kind = "project" if "project" in self.kinds else "image"

    # ----------------------------------------------------------------- collecting
    @property
    def is_quick(self) -> bool:
        """True if it is counted in no time: this image, and few pixels."""
        labels = self._proofread.labels
        return self.kind == "image" and (
            labels is None or is_done_at_once(labels.shape)
        )

    def _here(self) -> Job[list[TrainingItem]]:
        """Return the job that collects what is checked on the image that is open."""
        image, cells = self._session.image, self._proofread.cells
        channel = self._segment.options.channel
        if self.kind == "folder" or image is None or cells is None:
            return _collected_here([])
        if image.n_channels > 1 and not image.is_rgb and channel is None:
            return _collected_here([])
        known = self._projects.image_at(image.source)
        group = None if known is None else known.group
        vouched = tuple(cells.areas), self._proofread.locked_ids
        if cells.is_large:  # what lies on the disk is read by the main thread only
            items = items_of(image, cells.labels, *vouched, channel=channel)
            return _collected_here(items, group)
        return _items_here(image, cells.labels, vouched, channel, group)

    def collected(self) -> Job[list[TrainingItem]]:
        """Collect all; of what is open it is settled now what a person vouches for.

        Raises
        ------
        TrainingError, ImageReadError, ProjectError
            If an image or its labels cannot be read.
        """
        return self._collected(self._here())

    def _collected(self, here: Job[list[TrainingItem]]) -> Job[list[TrainingItem]]:
        items = yield from here
        yield TrainProgress(0, 0, "reading the corrections")
        for name, found in self._others():
            items += found
            yield TrainProgress(0, 0, f"reading {name}")
        return items

    def counted(self) -> Job[TrainingSupply]:
        """Count all, an image at a time: nothing of it is kept."""
        return self._counted(self._here())

    def _counted(self, here: Job[list[TrainingItem]]) -> Job[TrainingSupply]:
        items = yield from here
        supplies = [supply_of(items)] if items else []
        del items
        yield Progress(0, 0, "counting")
        for name, found in self._others():
            supplies.append(supply_of(found))
            yield Progress(0, 0, f"counting, {name}")
        return joined_supply(supplies)

    def _others(self) -> Iterator[tuple[str, list[TrainingItem]]]:
        """Yield what is not open here; runs off the main thread."""
        channel = self._segment.options.channel
        if self.kind == "folder" and self.folder is not None:
            for name, item in folder_items(self.folder, channel):
                yield name, [item]
        project, image = self._projects.project, self._session.image
        if self.kind != "project" or project is None:
            return
        here = self._projects.image_at(image.source) if image is not None else None
        # A connection of its own: SQLite's belong to a thread.
        with open_project(project.folder, read_only=True) as reader:
            for other, found in project_items(reader, channel):
                if here is None or other.image_id != here.image_id:
                    yield other.name, found

    # ---------------------------------------------------------------------- words
    def why_not(self, supply: TrainingSupply | None) -> str:
        """Return why nothing can be learned from it, or ""; None: it is being counted."""
        if self.kind == "folder" and self.folder is None:
            return "Choose the folder that holds images/ and masks/."
        if supply is None or supply.n_cells:
            return ""
        if self.kind == "folder":
            return "There are no cells in that folder: it needs images/ and masks/."
        if self.kind == "project":
            return f"Nothing is checked on any image of the project. {HOW_TO_CHECK}"
        return f"Nothing is checked yet. {HOW_TO_CHECK}"

    def words(self, supply: TrainingSupply | None) -> str:
        """Return what there is to learn from, in a line; None: it is being counted."""
        if self.kind == "folder" and self.folder is None:
            return "No folder is chosen."
        if supply is None:
            return "Counting the checked cells…"
        if not supply.n_cells:
            return self.why_not(supply)
        area = f"{supply.area_px:,} px"
        if supply.area_um2 is not None:
            area = f"{supply.area_um2 / UM2_IN_MM2:.3g} mm²"
        images, cells = counted(supply.n_images, "image"), supply.n_cells
        return f"{images}, {counted(cells, 'checked cell')}, {area}"

    def warning(self, supply: TrainingSupply | None) -> str:
        """Return why little will come of it, or ""."""
        if supply is None or not supply.n_cells:
            return ""
        if supply.n_cells < FEW_CELLS:
            few = "is few" if supply.n_cells == 1 else "are few"
            return f"{counted(supply.n_cells, 'cell')} {few}; 100 to 200 make a difference."
        if supply.n_images == 1:
            return "All from one image: check some cells on a second one as well."
        return ""


def _collected_here(
    items: list[TrainingItem], group: str | None = None
) -> Job[list[TrainingItem]]:
    """Put items into the group of their image."""
    yield TrainProgress(0, 0, "reading the corrections")
    return items if group is None else [replace(one, group=group) for one in items]


def _items_here(
    image: CellImage,
    labels: Labels,
    vouched: tuple[tuple[CheckedArea, ...], set[int]],
    channel: int | None,
    group: str | None,
) -> Job[list[TrainingItem]]:
    """Collect what is checked of labels that are being corrected, on a copy."""
    yield TrainProgress(0, 0, "reading the corrections")
    if not any(vouched):
        return []
    items = items_of(image, labels.copy(), *vouched, channel=channel)
    return (yield from _collected_here(items, group))


def no_items(kind: SourceKind) -> TrainingError:
    """Return the error for a source with nothing in it."""
    where = {
        "image": "on this image",
        "project": "on any image of the project",
        "folder": "in this folder",
    }[kind]
    return TrainingError(f"Nothing is checked {where}.")
