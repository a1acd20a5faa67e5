"""Classes of cells: they stay with their cell, whatever becomes of its pixels."""

import numpy as np
import pytest

from napari_cellseg.core.editing import corrections
from napari_cellseg.core.editing.cell_index import CellIndex
from napari_cellseg.core.editing.classes import (
    assign_class,
    checked_name,
    n_by_class,
    updated_classes,
    with_classes,
)
from napari_cellseg.core.editing.edits import Edit, apply_edit, edit_on_labels
from napari_cellseg.core.editing.grow import grow_cells
from napari_cellseg.core.editing.numbering import give_new_id, renumber_cells
from napari_cellseg.core.editing.split import split_cell
from napari_cellseg.core.errors import EditError

SOURCES = dict.fromkeys((1, 2, 5), "model")


def drawn(ndim: int = 2) -> np.ndarray:
    """Return three cells of 10 × 10 pixels: 1 and 2 touch, 5 lies away."""
    plane = np.zeros((40, 60), np.int32)
    plane[10:20, 10:20] = 1
    plane[10:20, 20:30] = 2
    plane[10:20, 45:55] = 5
    return np.broadcast_to(plane, (2,) * (ndim - 2) + plane.shape).copy()


def after(edit: Edit, labels: np.ndarray, classes: dict[int, str], said=None):
    """Return the classes after an edit, and check that undo brings them back."""
    complete = with_classes(edit, labels, classes, said)
    found = updated_classes(classes, complete)
    assert updated_classes(found, complete.inverted()) == classes
    return found


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_a_class_is_given_and_taken_away_without_touching_a_pixel(ndim):
    labels = drawn(ndim)
    edit = assign_class(CellIndex(labels), [1, 5], "dead", {5: "mitotic"})
    shown = labels.copy()
    apply_edit(shown, edit)
    np.testing.assert_array_equal(shown, labels)
    classes = updated_classes({5: "mitotic"}, edit)
    assert classes == {1: "dead", 5: "dead"}
    assert updated_classes(classes, edit.inverted()) == {5: "mitotic"}
    gone = assign_class(labels, [1], "", classes)
    assert updated_classes(classes, gone) == {5: "dead"}
    assert (edit.name, gone.name) == ("class dead", "no class")


def test_who_made_a_cell_is_another_matter():
    edit = assign_class(drawn(), [1], "dead", {})
    assert edit.sources_before == edit.sources_after == {}


def test_what_changes_nothing_is_refused():
    with pytest.raises(EditError, match="of the class 'dead' already"):
        assign_class(drawn(), [1], "dead", {1: "dead"})
    with pytest.raises(EditError, match="not here"):
        assign_class(drawn(), [9], "dead", {})


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 41, "cell", "No class"])
def test_a_name_that_says_nothing_is_refused(name):
    with pytest.raises(EditError):
        checked_name(name)


def test_blanks_around_a_name_go():
    assert checked_name(" early anaphase ") == "early anaphase"


@pytest.mark.parametrize("ndim", [2, 3])
def test_both_parts_of_a_split_cell_have_its_class(ndim):
    labels = drawn(ndim)
    line = np.array([(5.0, 15.0), (25.0, 15.0)])
    edit = split_cell(labels, line, (0,) * (ndim - 2), SOURCES, through_planes=ndim > 2)
    assert after(edit, labels, {1: "dead", 5: "mitotic"}) == {
        1: "dead", 5: "mitotic", 6: "dead",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "merged"),
    [
        ({1: "a", 2: "b"}, {1: "a"}),
        ({2: "b"}, {1: "b"}),
        ({1: "a"}, {1: "a"}),
        ({5: "c"}, {5: "c"}),
    ],
    ids=["the first says", "the first has none", "the second has none", "neither"],
)
def test_the_first_of_merged_cells_says_the_class(classes, merged):
    labels = drawn()
    edit = corrections.merge_cells(labels, [1, 2], SOURCES)
    assert after(edit, labels, classes) == merged


def test_a_deleted_cell_has_no_class_and_gives_it_to_nobody():
    labels = drawn()
    edit = corrections.delete_cells(labels, [2], SOURCES)
    assert after(edit, labels, {2: "dead", 5: "a"}) == {5: "a"}


def test_another_outline_changes_no_class():
    labels = drawn()
    assert after(grow_cells(labels, [5], SOURCES), labels, {5: "a"}) == {5: "a"}
    painted = edit_on_labels(
        labels, np.full((6, 6), 1, np.int32), (12, 18), "brush", SOURCES
    )
    assert after(painted, labels, {2: "b"}) == {2: "b"}


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_new_number_takes_the_class_along(ndim):
    labels = drawn(ndim)
    assert after(give_new_id(labels, 2, SOURCES), labels, {2: "b"}) == {6: "b"}
    anew = renumber_cells(labels, SOURCES)
    assert after(anew, labels, {2: "b", 5: "c"}) == {2: "b", 3: "c"}


def test_a_cell_found_again_by_a_model_keeps_its_class():
    labels = drawn()
    found = np.zeros_like(labels)
    found[9:21, 11:21] = 2  # where cell 1 was, by the number of its neighbour
    found[12:18, 47:53] = 7  # a smaller outline of cell 5
    found[30:38, 10:20] = 1  # where nothing was
    edit = edit_on_labels(labels, found, (0, 0), "segment", SOURCES, author="model")
    classes = {1: "one", 2: "two", 5: "five"}
    assert after(edit, labels, classes) == {2: "one", 7: "five"}


def test_a_cell_that_a_run_leaves_keeps_its_class():
    labels = drawn()
    found = labels.copy()
    found[found == 1] = 0
    edit = edit_on_labels(labels, found, (0, 0), "segment", SOURCES, author="model")
    assert after(edit, labels, {2: "two", 5: "five"}) == {2: "two", 5: "five"}


def test_what_a_file_says_counts_even_where_no_pixel_changes():
    labels = drawn()
    same = edit_on_labels(labels, labels, (0, 0), "import", SOURCES, author="model")
    said = {1: "dead", 2: "", 5: "mitotic"}
    edit = with_classes(same, labels, {2: "old"}, said)
    assert edit.before.size == 1
    assert updated_classes({2: "old"}, edit) == {1: "dead", 5: "mitotic"}


def test_classes_are_counted_the_most_frequent_first():
    assert list(n_by_class({1: "b", 2: "a", 3: "b"}).items()) == [("b", 2), ("a", 1)]
