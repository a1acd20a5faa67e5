"""The project of one window: which is open, and whose labels are written to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

from psygnal import Signal

from napari_cellseg.controllers.labels.cell_labels import (
    CellLabels,
    cells_in,
    home_of,
    labels_to_adopt,
)
from napari_cellseg.controllers.labels.held_labels import (
    HeldLabels,
    release_saved,
    write_held,
)
from napari_cellseg.controllers.labels.lineage_following import LineageFollower
from napari_cellseg.controllers.projects.coming_cells import ComingCells, rejoined
from napari_cellseg.controllers.projects.outside import OutsideSteps
from napari_cellseg.controllers.projects.unsaved_notes import UnsavedNotes
from napari_cellseg.controllers.projects.unsaved_steps import (
    add_steps,
    as_read,
    open_or_read,
)
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.errors import CellsegError, ImageReadError, ProjectError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.paths import ImagePlace, image_place
from napari_cellseg.io.s3.address import is_s3_address
from napari_cellseg.project.images.identity import Identity
from napari_cellseg.project.images.image_places import ImagePlaces
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.images.moved import find_moved
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import recovered_words
from napari_cellseg.project.store import (
    Project,
    create_project,
    open_project,
    with_suffix,
)


class ProjectController:
    """Opens and closes projects, and keeps labels in the one that is open.

    Attributes
    ----------
    project : Project or None
        None while nothing is kept on disk but what the person saves.
    problem, why_read_only : str
        Why the last steps are not on the disk, or why none goes there; "" if they do.
    """

    changed = Signal()
    problem_changed = Signal(str)

    def __init__(self) -> None:
        self.project: Project | None = None
        self.problem = ""
        self.why_read_only = ""
        self._images: list[ProjectImage] = []
        self._places = ImagePlaces([])
        self._kept: HeldLabels = OrderedDict()
        self._notes = UnsavedNotes()
        self.coming = ComingCells(self._on_taken_in)
        self.outside = OutsideSteps()
        self.read = WeakValueDictionary[int, CellLabels]()  # of a read-only project

    # ------------------------------------------------------------------- projects
    def create(self, folder: Path, images: Sequence[ImagePlace]) -> None:
        """Make a project of some images and open it; raises `CellsegError`."""
        project = create_project(folder)
        try:
            project.add_images(images)
        except CellsegError:
            project.close()
            raise
        self.use(project)

    def open(self, folder: Path) -> None:
        """Open a project; raises `ProjectError` and keeps the one that is open."""
        if not self.has_open(folder):
            self.use(*open_or_read(folder))

    def has_open(self, folder: Path) -> bool:
        """Say whether this very project is open here already, and can be written."""
        project = self.project
        if project is None or project.is_read_only:
            return False
        return project.folder.resolve() == folder.resolve()

    def use(self, project: Project | None, why_read_only: str = "") -> None:
        """Take a project in the place of the one that is open; raises `ProjectError`."""
        try:
            self._leave()
        except ProjectError:
            if project is not None:
                project.close()
            raise
        self.project, self.why_read_only = project, why_read_only
        self.refresh()

    def close(self) -> None:
        """Write everything and close; raises `ProjectError` if that is not possible."""
        self.use(None)

    def _leave(self) -> None:
        """Write and close the project, unless steps would be lost; its labels stay."""
        if self.project is None:
            return
        self.write()
        if self.n_waiting:
            raise ProjectError(
                f"{self.n_waiting} steps are not on the disk yet, so the project stays "
                f"open. {self.problem}"
            )
        for cells, opened in self._kept.values():
            cells.history, cells.left_at = History(), opened.last_step
        self._kept.clear()
        self.read.clear()
        old, self.project = self.project, None
        # Every step is in the journal: what the labels lack is replayed the next time.
        with suppress(ProjectError):
            old.close()

    def add_images(self, places: Sequence[ImagePlace]) -> int:
        """Add images and return how many are new; raises `CellsegError`."""
        n_new = self._open_project().add_images(places)
        self.refresh()
        return n_new

    def add_known(self, known: Mapping[ImagePlace, Identity]) -> int:
        """Add what `project.images.identity.s3_additions` found, and return how many are new."""
        n_new = self._open_project().table.add_known(known)
        self.refresh()
        return n_new

    def search(self, where: ImagePlace) -> Job[dict[int, ImagePlace]]:
        """Look for missing images below a place; `relocate` takes what is found.

        Raises
        ------
        ProjectError
            If no project is open.
        ImageReadError
            While it runs, if the place is in S3 and cannot be listed.
        """
        return find_moved(self._open_project().table.sought(), where)

    def relocate(self, found: Mapping[int, ImagePlace]) -> int:
        """Note where images lie now, and return how many it are."""
        n_found = self._open_project().table.move(found)
        self.refresh()
        return n_found

    def save_as(self, folder: Path) -> None:
        """Write a copy; raises `ProjectError`."""
        self.write()
        self._open_project().save_as(folder)
        if self._notes.n_waiting or self.coming:
            with open_project(with_suffix(folder)) as copy:
                self._notes.copy_to(copy, self._kept_cells())
                self.coming.copy_to(copy)
        add_steps(with_suffix(folder), dict(self.read))

    def _open_project(self) -> Project:
        if self.project is None:
            raise ProjectError("No project is open. Open one, or save the work as one.")
        return self.project

    def refresh(self) -> None:
        """Look at the images of the project again, as after a job changed it."""
        self._images = [] if self.project is None else self.project.images()
        self._places = ImagePlaces(self._images)
        self.changed.emit()

    @property
    def images(self) -> list[ProjectImage]:
        """The images of the project; empty without one."""
        return self._images

    @property
    def recovered_text(self) -> str:
        """What a crash had left in the journal only, in a sentence; "" if nothing."""
        recovered = None if self.project is None else self.project.recovered
        return recovered_words(recovered) if recovered else ""

    # --------------------------------------------------------------------- labels
    def image_at(self, source: str) -> ProjectImage | None:
        """Return the project's image that a layer came from, or None."""
        if self.project is None or not source:
            return None
        try:
            wanted = image_place(source)
        except ImageReadError:
            return None
        return self._places.find(wanted)

    def cells_of(self, source: str) -> CellLabels | None:
        """Return the cells that the project has of an image; raises `ProjectError`."""
        image = self.image_at(source)
        if image is not None and image.image_id in self.coming:
            self.write()  # what is found now would be lost otherwise
            image = self.image_at(source)
        if self.project is None or image is None or not image.has_labels:
            return None
        if image.image_id in self._kept:
            self._kept.move_to_end(image.image_id)
            return self._kept[image.image_id][0]
        cells, opened = cells_in(self.project, image.image_id)
        self._keep(image.image_id, cells, opened)
        if opened.n_outside:
            self.outside.taken.emit(cells)
        return cells

    def adopt(
        self, cells: CellLabels, source: str, axes: str, size: PixelSize | None
    ) -> bool:
        """Keep cells in the project, with what can be undone.

        Few pixels at once; others with the next `writing`, and they wait until then. False
        if no project is open, it is read only, or the image is no file.

        Parameters
        ----------
        cells : CellLabels
            Of an image that has no labels in the project yet.
        source : str
            Path or address of the image; it is added where it is not in the project.
        axes : str
            One letter an axis of the labels.
        size : PixelSize or None
            Of the image.

        Raises
        ------
        ProjectError
            If they cannot be written.
        """
        project, history = self.project, cells.history
        if project is None or project.is_read_only or not isinstance(history, History):
            return False
        if not source or not (is_s3_address(source) or Path(source).exists()):
            return False
        if self.image_at(source) is None:
            self.add_images([image_place(source)])
        image = self.image_at(source)
        if image is None or image.has_labels or image.image_id in self.coming:
            return False
        new = partial(labels_to_adopt, cells, history, axes, size)
        self.coming.add(project, image.image_id, cells, new)
        return True

    def _on_taken_in(
        self, image_id: int, cells: CellLabels, new: ProjectLabels
    ) -> None:
        self._keep(image_id, cells, new)
        self.save_signs(cells)
        self.refresh()

    def rejoin(self, cells: CellLabels, source: str) -> bool:
        """Keep cells on that this project kept before, with every step since.

        Returns False if its own were changed meanwhile; raises `ProjectError`.
        """
        project, image, history = self.project, self.image_at(source), cells.history
        if project is None or project.is_read_only or not isinstance(history, History):
            return False
        if image is None or not image.has_labels or image.image_id in self._kept:
            return False
        if cells.home != home_of(project, image.image_id):
            return False
        opened = rejoined(project.open_labels(image.image_id), cells, history)
        if opened is None:
            return False
        self._keep(image.image_id, cells, opened)
        self.save_review(cells, list(cells.states))
        self.save_lineage(cells)
        self.check()
        return True

    def _keep(self, image_id: int, cells: CellLabels, opened: ProjectLabels) -> None:
        """Let the journal be the history of cells; both see one array."""
        opened.share(cells.labels, cells.index)
        project = self._open_project()
        cells.home = home_of(project, image_id)
        if project.is_read_only:
            self.read[image_id] = as_read(cells, opened)
            return
        cells.history = opened.journal
        opened.journal.lineage_after = LineageFollower(cells).after
        opened.journal.settle = self.settle
        opened.outside = self.outside.taker(cells)
        self._kept[image_id] = (cells, opened)

    def settle(self) -> None:
        """Write all before cells give way to others; `ProjectError` if that fails."""
        self.write()
        if self.problem:
            raise ProjectError(self.problem)

    def _image_of(self, cells: CellLabels | None) -> int:
        """Return the number of the image whose cells are kept, 0 for others."""
        return next((key for key, (one, _) in self._kept.items() if one is cells), 0)

    def save_review(self, cells: CellLabels | None, ids: list[int]) -> None:
        """Write what a person said of cells, and the checked areas; it waits if need be."""
        if image_id := self._image_of(cells):
            # A step that waits says what was known before.
            self._kept[image_id][1].journal.retry()
            self._notes.add_review(image_id, ids)
        self._write_notes()
        self.check()

    def save_lineage(self, cells: CellLabels | None) -> None:
        """Write which cell came of which; it waits where it cannot be written."""
        if image_id := self._image_of(cells):
            self._notes.add_lineage(image_id)
        self._write_notes()
        self.check()

    def save_signs(self, cells: CellLabels | None) -> None:
        """Keep what was seen of cells; where that fails, another run brings it."""
        image_id = self._image_of(cells)
        if cells is None or self.project is None or not image_id:
            return
        if not self._kept[image_id][1].journal.n_waiting:
            with suppress(ProjectError):
                self.project.signs(image_id).write(cells.signs, cells.model_digest)

    def _write_notes(self) -> None:
        if self.project is not None:
            self._notes.write(self.project, self._kept_cells())

    def _kept_cells(self) -> dict[int, CellLabels]:
        return {image_id: cells for image_id, (cells, _) in self._kept.items()}

    def keeps(self, cells: CellLabels | None) -> bool:
        """Say whether every step on these cells goes to the project."""
        return self._image_of(cells) > 0

    # -------------------------------------------------------------------- writing
    def check(self) -> None:
        """Tell if the last step is not on the disk; call it after each."""
        found = [opened.journal.problem for _, opened in self._kept.values()]
        self._tell(next(filter(None, found), self._notes.problem))

    def write(self) -> None:
        """Bring the labels on disk up to the journal; what fails is told of."""
        run(self.writing())

    def writing(self) -> Job[None]:
        """Do what `write` does, a chunk a step; for the thread that has the project."""
        problem = yield from self.coming.writing(self.project)
        problem = (yield from write_held(self._kept)) or problem
        self._write_notes()
        self._tell(problem or self._notes.problem)

    def put_away(self, source: str) -> CellLabels | None:
        """Hold the cells of an image no more, as it has others now; return them."""
        image = self.image_at(source)
        if self.project is None or image is None:
            return None
        self.project.forget_labels(image.image_id)
        self._notes.forget(image.image_id)
        cells, _ = self._kept.pop(image.image_id, (None, None))
        return cells

    def let_go(self, shown: Sequence[CellLabels]) -> None:
        """Hold saved cells that are not shown no longer than memory allows."""
        if self.project is None or self._notes.n_waiting:
            return
        try:
            release_saved(self.project, self._kept, shown)
        except ProjectError as error:
            self._tell(str(error))

    @property
    def n_waiting(self) -> int:
        """Steps and marks that are not on the disk yet."""
        steps = sum(opened.journal.n_waiting for _, opened in self._kept.values())
        return steps + self._notes.n_waiting + len(self.coming)

    def _tell(self, problem: str) -> None:
        """Tell of each failure, also of the same one: more may wait, and it is retried."""
        was, self.problem = self.problem, problem
        if problem or was:
            self.problem_changed.emit(problem)
