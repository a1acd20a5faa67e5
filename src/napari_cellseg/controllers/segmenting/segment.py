"""From the chosen image and options to labels, and live re-decoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from psygnal import Signal

from napari_cellseg.controllers.engine import Engine, WarmSegmenter
from napari_cellseg.controllers.files.many import segment_file, segment_many
from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.lineage_following import follow_parents
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.labels.run_step import MOVED
from napari_cellseg.controllers.place import PlaceController
from napari_cellseg.controllers.segmenting.run_taking import (
    PreparedRun,
    Run,
    check_room,
    fits,
    is_quick,
    preparation,
    take_prepared,
)
from napari_cellseg.controllers.segmenting.segment_jobs import decode_job, segment_job
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.edits import Edit
from napari_cellseg.core.editing.rerun import Merged, Region
from napari_cellseg.core.errors import ImageError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.jobs import run as finish
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.intensity import intensity_bounds
from napari_cellseg.core.segmentation.region_text import SMALLEST_SIDE_PX
from napari_cellseg.core.types import CellImage, SegmentationResult

if TYPE_CHECKING:
    from napari_cellseg.batch.segmenting import BatchReport

RegionKind = Literal["whole", "view", "drawn"]
#: Starts a job that merges a run; what it returns goes to the function.
MergeStarter = Callable[[Job[PreparedRun], Callable[[PreparedRun], bool]], None]
NO_MODEL = "No model is installed; 'cellseg doctor' says what is missing."


class SegmentController:
    """Holds model, options and region; runs the model and moves its thresholds.

    Parameters
    ----------
    session : Session
        The image.
    engine : Engine
        Models and segmenters.
    proofread : ProofreadController
        Takes the labels.
    tasks : four TaskController
        One runs the model, one re-decodes, one wakes the model before it is needed, one
        goes to a server.

    Attributes
    ----------
    place : PlaceController
        Where it runs.
    recall : callable
        Returns the cells that are kept of an image, or None; of the image that is worked
        on it gives them to `proofread` as well.
    first_use : callable or None
        Uses once, on few pixels, what takes long at its first use; `wake` calls it off the
        main thread.
    finished : Signal(Run, Merged, bool)
        A run on the image that is worked on; whether its labels are new.
    arrived : Signal(Run, CellLabels, bool)
        A run on an image that was left meanwhile; whether its labels are new.
    """

    changed = Signal()
    finished = Signal(Run, Merged, bool)
    arrived = Signal(Run, CellLabels, bool)
    redecoded = Signal()

    def __init__(
        self,
        session: Session,
        engine: Engine,
        proofread: ProofreadController,
        tasks: tuple[TaskController, TaskController, TaskController, TaskController],
    ) -> None:
        self.session = session
        self.proofread = proofread
        self.task, self.live_task, self._warm_task, self.place_task = tasks
        self._engine = engine
        self._segmenters = WarmSegmenter(engine)
        self.place = PlaceController(engine, self._segmenters, self.place_task)
        self.place.moved.connect(self._on_moved)
        self.models: list[ModelSpec] = []
        self.missing: list[tuple[str, str]] = []
        self.model: ModelSpec | None = None
        self.model_problem = ""
        self.options = SegmentOptions(keep_maps=True)
        self.region_kind: RegionKind = "whole"
        self.device = ""
        self.run: Run | None = None
        self.n_kept = 0
        self.recall: Callable[[CellImage], CellLabels | None] = _none_kept
        self.first_use: Callable[[], None] | None = None
        self._wanted: SegmentOptions | None = None
        session.image_changed.connect(self._on_image_changed)

    def load_models(self) -> None:
        """Look for models; `ModelError` says what is wrong with them."""
        self.models = self._engine.list_models()
        self.missing = self._engine.missing_programs()
        self.model = self.models[0] if self.models else None
        self.changed.emit()

    def choose_model(self, name: str) -> None:
        """Choose a model by its name."""
        self.model = next((one for one in self.models if one.name == name), self.model)
        self.device = ""
        self.changed.emit()

    def set_option(self, name: str, value: Any) -> None:
        """Set one option; `OptionsError` says when it is out of range."""
        self.options = replace(self.options, **{name: value})
        self.changed.emit()

    def set_region_kind(self, kind: RegionKind) -> None:
        """Choose what is segmented: all, what is on screen, or what is drawn."""
        self.region_kind = kind
        self.changed.emit()

    def wake(self) -> None:
        """Open the model's process before it is needed, and learn where it runs."""
        if (
            self.model is not None
            and not self.device
            and not self._warm_task.is_running
        ):
            job = self._segmenters.warm_up(self.model.name, self.first_use)
            self._warm_task.start("Loading the model", job, self._on_woken)

    def compare_places(self) -> None:
        """Segment a window of the image there and here; told by `place`."""
        image = self.session.image
        if (reason := self.why_not()) or image is None:
            raise ImageError(reason)
        self.place.compare(image, self.options)

    def _on_moved(self) -> None:
        # What the place that was left has yet to say is no news of this one.
        self._warm_task.abandon()
        self.device = ""
        self.load_models()
        self.wake()

    def why_not(self) -> str:
        """Return why nothing can be segmented now, or "" if it can."""
        image = self.session.image
        if self.model is None:
            return self.model_problem or NO_MODEL
        if self.session.problem:
            return self.session.problem
        if image is None:
            return "Open an image first, or choose one above."
        if image.n_channels > 1 and not image.is_rgb and self.options.channel is None:
            return "Choose the channel that shows the cells."
        if min(image.labels_shape[-2:]) < SMALLEST_SIDE_PX:
            height, width = image.labels_shape[-2:]
            return (
                f"The image is {width} × {height} pixels; at least {SMALLEST_SIDE_PX} × "
                f"{SMALLEST_SIDE_PX} are needed to hold a cell."
            )
        return ""

    @property
    def is_blank(self) -> bool:
        """True if all pixels are known to be alike, as in a dark or an empty image."""
        image, channel = self.session.image, self.options.channel
        if image is None or not isinstance(image.data, np.ndarray):
            return False
        data = image.data
        if channel is not None:
            data = np.moveaxis(data, image.axes.index("C"), 0)[channel]
        low, high = intensity_bounds(data, 0, 100)
        return low >= high

    @property
    def asks_before_run(self) -> bool:
        """True if a run would meet work by hand, so that the person must be asked."""
        return self._fits(self.session.image) and self.proofread.has_hand_work

    @property
    def has_labels(self) -> bool:
        """True if there are labels that fit the image."""
        return self._fits(self.session.image)

    def start(self, region: Region | None = None, *, keeps: bool = True) -> None:
        """Run the model; the result is told by `finished`.

        Parameters
        ----------
        region : Region or None
            None segments everything.
        keeps : bool
            Whether cells that were made, edited or deleted by hand stay so.
        """
        image = self.session.image
        if (reason := self.why_not()) or image is None or self.model is None:
            raise ImageError(reason)
        check_room(self.proofread, image, region)
        job = segment_job(
            self._segmenters, self.model.name, image, region, self.options
        )
        target = _Target(image, region, keeps)
        self.task.start("Segmenting", job, lambda result: self._take(target, result))

    def look(self, region: Region) -> Job[SegmentationResult]:
        """Return the job that lets the model look at a region; the labels stay as they are.

        The result holds the maps. Raises `ImageError` if there is nothing to look with.
        """
        image, run = self.session.image, self.run
        if (reason := self.why_not()) or image is None or self.model is None:
            raise ImageError(reason)
        options = replace(self.options, keep_maps=True)
        if run is not None and self.session.shows(run.image):
            options = replace(options, diameter_px=run.result.options.diameter_px)
        return segment_job(self._segmenters, self.model.name, image, region, options)

    def segment_many(self, paths: Sequence[Path], out: Path) -> Job[BatchReport]:
        """Segment files into a folder with what is set here; see `controllers.files.many`."""
        model = None if self.model is None else self.model.name
        size = self.session.pixel_size
        return segment_many(self._engine, model, paths, out, self.options, size)

    def segment_file(self, source: str) -> Job[tuple[CellImage, SegmentationResult]]:
        """Segment the image of a file with what is set here; `take` is for the result."""
        model = None if self.model is None else self.model.name
        size = self.session.pixel_size
        return segment_file(self._segmenters, model, source, self.options, size)

    def take(
        self, image: CellImage, result: SegmentationResult, by: MergeStarter
    ) -> bool:
        """Take a run, around work by hand; False if `by` starts a job for it first."""
        self._note(result)
        return self._prepare(Run(image, result), by, keeps=True)

    def redecode(self, **thresholds: Any) -> None:
        """Move thresholds of the last run; of several calls the last one wins."""
        self.options = replace(self.options, **thresholds)
        self._wanted = self.options
        self.changed.emit()
        if self.can_redecode and not self.live_task.is_running:
            self._decode_wanted()

    @property
    def can_redecode(self) -> bool:
        """True if the maps of the last run are at hand and its labels are shown."""
        run = self.run
        return run is not None and bool(run.result.maps) and self._fits(run.image)

    def close(self) -> None:
        """Stop what runs and close the model's process."""
        for task in (self.task, self.live_task, self._warm_task, self.place_task):
            task.abandon()
        self._segmenters.close()

    def _decode_wanted(self) -> None:
        wanted, run = self._wanted, self.run
        self._wanted = None
        if wanted is None or run is None:
            return
        job = decode_job(self._engine, run.result, wanted)
        self.live_task.start("Updating", job, self._on_decoded)

    def _fits(self, image: CellImage | None) -> bool:
        return fits(self.proofread, image)

    def _take(self, target: _Target, result: SegmentationResult) -> None:
        """Merge a result with what is there by now, and tell of it."""
        self._note(result)
        run = Run(target.image, result, target.region)
        self._prepare(run, partial(self.task.start, "Segmenting"), keeps=target.keeps)

    def _note(self, result: SegmentationResult) -> None:
        """Note where a run was; thresholds that wait are those of the one before."""
        self.device = result.device or self._segmenters.device
        self._wanted = None

    def _prepare(self, run: Run, by: MergeStarter, *, keeps: bool) -> bool:
        """Let a job merge a run with the cells of its image; say if it was taken."""
        proofread = self._corrected(run.image)
        job = preparation(proofread, run, "segment", keeps=keeps)
        take = partial(self._take_prepared, run, by, keeps=keeps)
        if is_quick(proofread, run):
            return take(finish(job))
        by(job, take)
        return False

    def _corrected(self, image: CellImage) -> ProofreadController:
        """Return what corrects the cells of an image, which may have been left."""
        is_here = self.session.shows(image)
        if is_here and not self._fits(image):
            self.recall(image)
        if is_here:
            return self.proofread
        other = ProofreadController()
        other.cells = self.recall(image)
        other.edited.connect(partial(_follow_parents, other))
        return other

    def _take_prepared(
        self, run: Run, by: MergeStarter, prepared: PreparedRun, *, keeps: bool
    ) -> bool:
        """Take a run, or merge it anew where its cells were edited meanwhile."""
        proofread = self._corrected(run.image)
        if not prepared.still_fits(proofread, run.image):
            return self._prepare(run, by, keeps=keeps)
        is_new = prepared.new is not None
        take_prepared(proofread, run, prepared, keeps=keeps)
        if proofread is self.proofread:
            self.n_kept = prepared.merged.n_kept
            self.run = run
            self.session.result = run.result
            self.finished.emit(run, prepared.merged, is_new)
        elif proofread.cells is not None:
            self.arrived.emit(run, proofread.cells, is_new)
        self.changed.emit()
        return True

    def _on_decoded(self, result: SegmentationResult) -> None:
        """Merge re-decoded labels, unless a newer threshold is waiting."""
        if self._wanted is not None:
            self._decode_wanted()
        elif self.run is not None and self._fits(self.run.image):
            run = replace(self.run, result=result)
            job = preparation(self.proofread, run, MOVED, keeps=True)
            take = partial(self._show_decoded, self.run, run)
            if is_quick(self.proofread, run):
                take(finish(job))
            else:
                self.live_task.start("Updating", job, take)

    def _show_decoded(self, of: Run, run: Run, prepared: PreparedRun) -> None:
        """Show re-decoded labels of the last run, merged with what was there."""
        if self._wanted is not None:
            self._decode_wanted()
        elif self.run is not of:
            return
        elif not prepared.still_fits(self.proofread, run.image):
            self._on_decoded(run.result)
        else:
            self.session.result = run.result
            self.n_kept = prepared.merged.n_kept
            take_prepared(self.proofread, run, prepared, keeps=True)
            self.redecoded.emit()

    def _on_woken(self, device: str) -> None:
        self.device = device
        self.changed.emit()

    def _on_image_changed(self) -> None:
        image = self.session.image
        self.run = None
        self._wanted = None
        n_channels = 1 if image is None else image.n_channels
        chosen = (self.options.channel, self.options.nuclei_channel)
        if any(channel is not None and channel >= n_channels for channel in chosen):
            self.options = replace(self.options, channel=None, nuclei_channel=None)
        self.changed.emit()


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """What a run was started on."""

    image: CellImage
    region: Region | None
    keeps: bool


def _follow_parents(proofread: ProofreadController, edit: Edit) -> None:
    """Let the parents of cells that nobody looks at follow."""
    if proofread.cells is not None:
        follow_parents(proofread.cells, edit)


def _none_kept(_image: CellImage) -> CellLabels | None:
    return None
