"""Every tool on labels that are too large for memory: the limit is lowered."""

import numpy as np
import pytest
from tests.controllers.test_find import SeeingSegmenter
from tests.controllers.test_second_look import TwoModels
from tests.fakes import FakeEngine, NowStarter
from tests.large_project import PITCH, SIDE, bright_grid, grid, large_project

from napari_cellseg.controllers.files.exchange import cells_to_write, write_large
from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.measuring.measure import MeasureController
from napari_cellseg.controllers.projects.large_project import (
    import_into_large,
    start_large,
)
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.controllers.reviewing.review import ReviewController
from napari_cellseg.controllers.segmenting.find import FindController
from napari_cellseg.controllers.segmenting.rerun_difference import RerunDifference
from napari_cellseg.controllers.segmenting.second_look import SecondLook
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.editing.edits import edit_on_labels
from napari_cellseg.core.editing.rerun import Region
from napari_cellseg.core.errors import (
    EditError,
    ImageError,
    LabelsError,
    ProjectError,
)
from napari_cellseg.core.jobs import run
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.labels.rows import find_rows
from napari_cellseg.core.training.item import items_of
from napari_cellseg.io.exchange.formats import format_named
from napari_cellseg.io.reading.images import read_image, read_labels
from napari_cellseg.project.labels.new_labels import NewLabels

EDGE = 30
N_ACROSS = SIDE // PITCH
#: The corner of a cell that lies on the border of four chunks.
CORNER = 12 * PITCH


def cell_at(y, x):
    """Return the number of the cell of `grid` whose square begins at (y, x)."""
    return (y // PITCH) * N_ACROSS + x // PITCH + 1


class Window:
    """The controllers of one window on a project with one image."""

    def __init__(self, folder, engine=None):
        self.projects = ProjectController()
        self.projects.open(folder)
        self.image = read_image(self.projects.images[0].address)
        self.session, self.proofread = Session(), ProofreadController()
        self.proofread.edited.connect(self._on_edited)
        tasks = tuple(TaskController(NowStarter()) for _ in range(4))
        engine = engine or FakeEngine(SeeingSegmenter())
        self.segment = SegmentController(self.session, engine, self.proofread, tasks)
        self.segment.load_models()
        task = TaskController(NowStarter())
        self.measure = MeasureController(self.session, self.proofread, task)
        self.review = ReviewController(self.proofread, self.measure)
        look_task = TaskController(NowStarter())
        self.look = SecondLook(self.segment, self.proofread, look_task)
        self.look.looked.connect(self.review.take_signs)
        self.finder = FindController(self.segment, self.proofread, task)
        self.tools = CellTools(self.proofread)
        self.session.show_image(self.image)

    def begin(self):
        cells = self.projects.cells_of(self.image.source)
        self.proofread.reopen(cells)
        return cells

    def _on_edited(self, _edit):
        self.projects.check()

    def close(self):
        self.proofread.reopen(None)
        self.projects.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a project of one image; its labels count as large."""
    pixels = bright_grid()
    # A cell that the labels below do not have.
    pixels[CORNER + 32 : CORNER + 38, CORNER + 32 : CORNER + 38] = 200
    return large_project(tmp_path, monkeypatch, pixels, has_cells=False)


@pytest.fixture
def window(folder):
    """Return a window on a project whose image has the cells of `grid`."""
    opened = Window(folder)
    opened.projects.project.start_labels(1, NewLabels(grid(), "YX"))
    opened.projects.refresh()
    assert is_on_disk(opened.begin().labels)
    yield opened
    opened.close()


@pytest.fixture
def empty(folder):
    """Return a window on a project whose image has no cells yet."""
    opened = Window(folder, FakeEngine())
    yield opened
    opened.close()


def whole(window):
    """Return all labels."""
    return window.proofread.labels[:, :]


def check_index(window):
    """Compare where cells are said to be with the pixels."""
    index, truth = window.proofread.cells.index, find_rows(whole(window))
    found = index.boxes(index.ids)
    assert {cell: n for cell, (_, n) in found.items()} == dict(
        zip(truth.ids.tolist(), truth.counts.tolist(), strict=True)
    )
    assert set(window.proofread.sources) == set(truth.ids.tolist())


def box_outline(top, left, bottom, right):
    return np.array([(top, left), (top, right), (bottom, right), (bottom, left)], float)


MIDDLE = cell_at(CORNER, CORNER)
#: What is done, and how many cells more there are then.
TOOLS = {
    "split": (lambda t: t.split(np.array([[CORNER - 4.0, CORNER + 15.0], [CORNER + 34.0, CORNER + 15.0]]), ()), 1),  # noqa: E501
    "add": (lambda t: t.add(box_outline(CORNER + 31, CORNER + 2, CORNER + 38, CORNER + 20), ()), 1),
    "delete": (lambda t: t.delete(MIDDLE, ()), -1),
    "delete region": (lambda t: t.delete_region(box_outline(CORNER - 5, CORNER - 5, CORNER + 75, CORNER + 75), ()), -4),  # noqa: E501
    "grow": (lambda t: t.grow(MIDDLE, ()), 0),
    "shrink": (lambda t: t.shrink(MIDDLE, ()), 0),
    "smooth": (lambda t: t.smooth(MIDDLE, ()), 0),
    "cut hole": (lambda t: t.cut_hole(box_outline(CORNER + 8, CORNER + 8, CORNER + 20, CORNER + 20), ()), 0),  # noqa: E501
    "new number": (lambda t: t.new_number(MIDDLE, ()), 0),
    "remove small": (lambda t: t.remove_small(901), -(N_ACROSS**2)),
}  # fmt: skip


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_works_across_chunks_and_is_undone_in_a_later_session(
    window, folder, name
):
    act, n_more = TOOLS[name]
    act(window.tools)
    changed = whole(window)
    assert (changed != grid()).any()
    assert window.proofread.n_cells == N_ACROSS**2 + n_more
    check_index(window)
    window.close()
    window.projects.open(folder)
    window.begin()
    assert np.array_equal(whole(window), changed)
    window.proofread.undo()
    assert np.array_equal(whole(window), grid())
    check_index(window)
    window.proofread.redo()
    assert np.array_equal(whole(window), changed)


def test_merged_cells_are_one_and_undo_parts_them(window):
    for _ in range(5):
        window.tools.grow(MIDDLE, ())
        window.tools.grow(MIDDLE + 1, ())
    n_pixels = [window.proofread.cells.index.n_pixels(MIDDLE + i) for i in (0, 1)]
    window.tools.merge([MIDDLE, MIDDLE + 1], ())
    assert window.proofread.cells.index.n_pixels(MIDDLE) == sum(n_pixels)
    check_index(window)
    window.proofread.undo()
    assert window.proofread.cells.index.n_pixels(MIDDLE + 1) == n_pixels[1]


def test_a_click_finds_the_cell_that_is_missing(window):
    window.finder.find(np.array([(CORNER + 35.0, CORNER + 35.0)]), ())
    new = N_ACROSS**2 + 1
    assert window.proofread.sources[new] == "hand"
    assert (
        window.proofread.labels[CORNER + 32 : CORNER + 38, CORNER + 32 : CORNER + 38]
        == new
    ).all()
    check_index(window)


def test_the_review_goes_through_the_doubtful_cells(window):
    window.proofread.cells.confidence = {MIDDLE: 0.1, 7: 0.2}
    window.review._on_opened()
    window.review.next()
    assert window.review.current == MIDDLE
    middle = CORNER + (EDGE - 1) / 2
    assert window.measure.place_of(MIDDLE) == (middle, middle)
    window.review.accept()
    assert window.review.current == 7
    window.review.reject()
    assert 7 not in window.proofread.sources
    assert window.proofread.locked_ids == {MIDDLE}


def test_what_takes_all_cells_at_once_is_refused_in_words(window):
    with pytest.raises(EditError, match="at once"):
        window.tools.number_anew()
    with pytest.raises(EditError, match="all at once"):
        window.tools.check_plane(())
    with pytest.raises(EditError, match="at once"):
        cells_to_write(window.proofread, window.image)
    with pytest.raises(ImageError, match="region"):
        window.segment.start()


def test_a_model_learns_from_checked_areas_only(window):
    image, cells = window.image, window.proofread.cells
    assert items_of(image, cells.labels, cells.areas, {1, 2}) == []
    box = (slice(CORNER - 5, CORNER + 66), slice(CORNER - 5, CORNER + 71))
    outline = box_outline(CORNER - 5, CORNER - 5, CORNER + 65, CORNER + 70)
    window.tools.check_area(outline, ())
    (item,) = items_of(image, cells.labels, cells.areas, window.proofread.locked_ids)
    assert np.array_equal(item.labels, grid()[box])
    assert np.array_equal(item.plane[0], image.data[0][box])
    assert item.valid[10:60, 10:60].all()


REGION = Region((CORNER - 10, CORNER - 10, CORNER + 200, CORNER + 300))


def test_a_region_is_segmented_anew_around_what_was_made_by_hand(folder, window):
    window.segment._engine.segmenter.__class__ = FakeEngine().segmenter.__class__
    by_hand = cell_at(CORNER + PITCH, CORNER + PITCH)
    window.tools.shrink(by_hand, ())
    before, last_id = whole(window), window.proofread.cells.index.last_id
    window.segment.start(REGION)
    after = whole(window)
    assert np.array_equal(after == by_hand, before == by_hand)
    outside = np.ones(after.shape, bool)
    outside[CORNER - 40 : CORNER + 240, CORNER - 40 : CORNER + 340] = False
    assert np.array_equal(after[outside], before[outside])
    new = set(np.unique(after).tolist()) - set(np.unique(before).tolist())
    assert min(new) > last_id
    assert all(window.proofread.sources[cell] == "model" for cell in new)
    # What the labels lacked is found.
    assert (after[CORNER + 32 : CORNER + 38, CORNER + 32 : CORNER + 38] > last_id).all()
    check_index(window)
    window.proofread.undo()
    assert np.array_equal(whole(window), before)
    check_index(window)


def test_a_large_image_without_cells_begins_with_a_region(empty):
    assert start_large(empty.projects, empty.image)
    cells = empty.begin()
    assert is_on_disk(cells.labels)
    assert len(cells.index) == 0
    empty.segment.start(REGION)
    box = REGION.box
    assert np.array_equal(whole(empty)[box] > 0, empty.image.data[0][box] > 0)
    assert empty.proofread.n_cells > 30
    check_index(empty)


def test_cells_at_the_edge_of_a_region_of_large_labels_are_looked_at(window):
    window.segment._engine.segmenter.__class__ = FakeEngine().segmenter.__class__
    # It ends in the middle of a row and of a column of squares.
    top = CORNER + 15
    window.segment.start(Region((top, CORNER - 10, CORNER + 200, CORNER + 300)))
    cut_off = window.look.signs.cut_off
    across = set(np.unique(window.proofread.labels[top, CORNER : CORNER + 270])) - {0}
    assert across
    assert across <= cut_off
    # The squares of the project have no confidence; of those of the run these come first.
    sure = window.proofread.model_confidence
    first = next(cell for cell in window.review.queue if cell in sure)
    assert first in cut_off
    window.review.current = first
    assert "cut off where the region ended" in window.review.reasons


def test_cells_of_large_labels_that_another_model_drew_otherwise_are_pointed_at(folder):
    model = TwoModels()
    window = Window(folder, FakeEngine(model))
    assert start_large(window.projects, window.image)
    window.begin()
    region = Region(
        (CORNER, CORNER, CORNER + 30, CORNER + 110)
    )  # three squares in a row
    window.segment.start(region)
    assert window.look.signs.other_model == {}

    model.is_other = True
    window.segment.start(region)

    assert list(window.look.signs.other_model.values()) == [0.5, 0.5]
    window.close()


#: So many pixels may be read at once: a part of the labels, never all of them.
PART_PX = 700 * 700


@pytest.fixture
def compared(window, monkeypatch):
    """Return the changes of a second run on a region, and the labels before it.

    The labels lack a cell that the run finds, have one that it does not, and one that is
    too small.
    """
    window.segment._engine.segmenter.__class__ = FakeEngine().segmenter.__class__
    window.segment.start(REGION)
    index = window.proofread.cells.index
    y, x = CORNER + 32, CORNER + 32
    labels = whole(window)
    made = labels[y : y + 6, x : x + 6].copy()
    _paint(window, np.zeros_like(made), (y, x))
    _paint(window, np.full((6, 6), index.last_id + 1, np.int32), (y + 80, x + 80))
    _paint(window, np.zeros((12, 30), np.int32), (CORNER + PITCH, CORNER + PITCH))
    monkeypatch.setattr("napari_cellseg.core.labels.on_disk.MAX_BOX_PX", PART_PX)
    monkeypatch.setattr("napari_cellseg.core.editing.around_run.MAX_BOX_PX", PART_PX)
    difference = RerunDifference(window.proofread, TaskController(NowStarter()))
    window.segment.start(REGION)
    return difference


def _paint(window, after, start):
    """Change the labels as a model would, so that no run keeps it."""
    proofread = window.proofread
    edit = edit_on_labels(
        proofread.cells.index, after, start, "made", proofread.sources, author="model"
    )
    proofread.apply(edit)


def test_a_run_on_a_region_of_large_labels_is_compared(compared):
    assert sorted(change.kind for change in compared.changes) == [
        "changed", "gone", "new",
    ]  # fmt: skip
    (new,) = [change for change in compared.changes if change.kind == "new"]
    assert [part.start for part in new.box] == [CORNER + 32, CORNER + 32]
    view = compared.view_of(new)
    assert view.centre == (CORNER + 34.5, CORNER + 34.5)


@pytest.mark.parametrize("kind", ["new", "gone", "changed"])
def test_old_cells_of_large_labels_come_back_one_by_one(compared, window, kind):
    (wanted,) = [change for change in compared.changes if change.kind == kind]
    before = compared._before.former[wanted.box]
    part = window.proofread.labels[wanted.box]
    while compared.current is not wanted:
        compared.step()
    compared.keep_old()
    assert np.array_equal(window.proofread.labels[wanted.box] > 0, before > 0)
    assert len(compared.changes) == 2
    window.proofread.undo()
    assert np.array_equal(window.proofread.labels[wanted.box], part)
    assert len(compared.changes) == 3


def test_all_old_cells_of_large_labels_come_back_at_once(compared, window, monkeypatch):
    former = compared._before.former
    compared.keep_all_old()
    assert compared.changes == []
    monkeypatch.undo()
    assert np.array_equal(whole(window)[former.box] > 0, former.labels > 0)
    check_index(window)


def test_a_run_of_an_earlier_session_that_is_undone_is_no_new_run(window, folder):
    window.segment._engine.segmenter.__class__ = FakeEngine().segmenter.__class__
    window.segment.start(REGION)
    window.close()
    window.projects.open(folder)
    window.begin()
    difference = RerunDifference(window.proofread, TaskController(NowStarter()))
    window.proofread.undo()
    assert difference.changes == []


@pytest.mark.parametrize("suffix", [".tif", ".ome.zarr"])
def test_labels_of_a_file_are_taken_in_by_blocks(empty, tmp_path, suffix):
    path = tmp_path / f"cells{suffix}"
    write(path, grid())
    said = run(import_into_large(empty.projects, empty.image, path))
    assert path.name in said
    empty.projects.refresh()
    cells = empty.begin()
    assert is_on_disk(cells.labels)
    assert np.array_equal(whole(empty), grid())
    with pytest.raises(ProjectError, match="has cells"):
        import_into_large(empty.projects, empty.image, path)


def test_a_run_waits_for_cells_that_are_not_open(window):
    source = window.image.source
    window.projects.put_away(source)
    with pytest.raises(ProjectError, match="not open yet"):
        start_large(window.projects, window.image)


def write(path, labels):
    """Write labels as TIFF or OME-Zarr."""
    from napari_cellseg.io.writing.labels_file import write_labels
    from napari_cellseg.io.writing.labels_zarr import write_labels_zarr

    writer = write_labels_zarr if path.name.endswith(".zarr") else write_labels
    writer(path, labels, axes="YX", pixel_size=None)


@pytest.mark.parametrize("name", ["tiff", "zarr"])
def test_cells_are_exported_by_boxes_with_the_last_step(window, tmp_path, name):
    window.tools.delete(MIDDLE, ())
    one = format_named(name)
    path = tmp_path / f"out{one.suffix}"
    saved = run(write_large(window.projects, window.image, one, path))
    assert saved.paths == (path,)
    assert np.array_equal(read_labels(path)[0], np.where(grid() == MIDDLE, 0, grid()))


def test_a_format_that_needs_all_cells_at_once_is_refused(window, tmp_path):
    with pytest.raises(LabelsError, match="TIFF or OME-Zarr"):
        write_large(
            window.projects, window.image, format_named("coco"), tmp_path / "out.json"
        )


def test_labels_of_a_file_of_another_size_are_refused(empty, tmp_path):
    path = tmp_path / "cells.tif"
    write(path, grid()[:1500])
    with pytest.raises(Exception, match=r"1,500 × 2,148.*2,148 × 2,148"):
        run(import_into_large(empty.projects, empty.image, path))
    assert not empty.projects.images[0].has_labels


def test_without_a_project_huge_labels_are_refused(empty, monkeypatch):
    monkeypatch.setattr(
        "napari_cellseg.controllers.projects.large_project.MAX_IN_MEMORY_PX", 2**20
    )
    with pytest.raises(ProjectError, match="Save as project"):
        start_large(ProjectController(), empty.image)


def test_steps_made_while_the_project_was_closed_go_into_it(window, folder):
    cells = window.proofread.cells
    window.tools.delete(MIDDLE, ())
    window.projects.close()
    window.tools.delete(MIDDLE + 1, ())
    window.projects.open(folder)
    assert window.projects.rejoin(cells, window.image.source)
    window.close()
    window.projects.open(folder)
    window.begin()
    left = {*grid().ravel().tolist()} - {0, MIDDLE, MIDDLE + 1}
    assert set(window.proofread.sources) == left
    check_index(window)


def test_steps_of_both_sides_are_not_mixed(window, folder):
    cells = window.proofread.cells
    window.projects.close()
    other = Window(folder)
    other.begin()
    other.tools.delete(MIDDLE, ())
    other.close()
    window.tools.delete(MIDDLE + 1, ())
    window.projects.open(folder)
    assert not window.projects.rejoin(cells, window.image.source)
