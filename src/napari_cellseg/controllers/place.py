"""Where models run: tried, chosen, compared with this computer."""

from __future__ import annotations

from psygnal import Signal

from napari_cellseg.controllers.engine import Engine, WarmSegmenter
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.run_place import HERE, RunPlace
from napari_cellseg.core.types import CellImage

Names = tuple[list[str], list[str]]


class PlaceController:
    """Knows where models run, and what is known of that place.

    Parameters
    ----------
    engine : Engine
        Asks places.
    segmenters : WarmSegmenter
        Moves.
    task : TaskController
        Runs one of it at a time; says why something failed.

    Attributes
    ----------
    current, wanted : RunPlace
        Where it runs, and what was asked for last.
    lines : tuple of str
        What the place that was asked last said of itself, or how it compares.
    profiles, regions, endpoints : list of str
        What can be chosen, once asked.
    """

    changed = Signal()
    moved = Signal()

    def __init__(
        self, engine: Engine, segmenters: WarmSegmenter, task: TaskController
    ) -> None:
        self._engine, self._segmenters, self.task = engine, segmenters, task
        self.current = self.wanted = HERE
        self.lines: tuple[str, ...] = ()
        self.profiles: list[str] = []
        self.regions: list[str] = []
        self.endpoints: list[str] = []

    def use(self, place: RunPlace) -> None:
        """Run somewhere else from now on; told by `moved`."""
        self._begin(place)
        job = _moved(self._engine, self._segmenters, place)
        self.task.start("Connecting", job, self._on_moved)

    def test(self, place: RunPlace) -> None:
        """Ask a place what it is, at no cost; told by `changed`."""
        self._begin(place)
        self.task.start("Asking", self._engine.check_place(place), self._on_told)

    def compare(self, image: CellImage, options: SegmentOptions) -> None:
        """Segment a window of an image there and here; told by `changed`."""
        self._begin(self.current)
        job = self._engine.compare_with_here(self.current, image, options)
        self.task.start("Comparing", job, self._on_compared)

    def ask_names(self) -> None:
        """Find out which profiles and regions there are, unless it is busy."""
        if not self.regions and not self.task.is_running:
            self.task.start("Asking", _names(self._engine), self._on_names)

    def ask_endpoints(self, place: RunPlace) -> None:
        """Find out which endpoints a profile and region have; told by `changed`."""
        self.lines = ()
        self.task.start("Asking", _endpoints(self._engine, place), self._on_endpoints)

    def _begin(self, place: RunPlace) -> None:
        self.wanted = place
        self.lines = ()
        self.changed.emit()

    def _on_moved(self, lines: list[str]) -> None:
        self.current = self.wanted
        # What an endpoint is and costs stands in the dock for as long as it runs.
        self.lines = () if self.current.endpoint else tuple(lines)
        self.moved.emit()
        self.changed.emit()

    def _on_told(self, lines: list[str]) -> None:
        self.lines = tuple(lines)
        self.changed.emit()

    def _on_compared(self, words: str) -> None:
        self.lines = (words,)
        self.changed.emit()

    def _on_names(self, names: Names) -> None:
        self.profiles, self.regions = names
        self.changed.emit()

    def _on_endpoints(self, names: list[str]) -> None:
        self.endpoints = names
        self.lines = () if names else ("No endpoint is there, or none may be listed.",)
        self.changed.emit()


def _moved(
    engine: Engine, segmenters: WarmSegmenter, place: RunPlace
) -> Job[list[str]]:
    """Move, and return what the new place says of itself."""
    lines = [] if place.is_here else (yield from engine.check_place(place))
    yield from segmenters.move(place)
    return lines


def _names(engine: Engine) -> Job[Names]:
    yield Progress(0, 0, "looking for profiles and regions")
    return engine.account_names()


def _endpoints(engine: Engine, place: RunPlace) -> Job[list[str]]:
    yield Progress(0, 0, "looking for endpoints")
    return engine.endpoint_names(place)
