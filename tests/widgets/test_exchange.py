"""Export and import of cells in the dock, with and without a project."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtWidgets import QFileDialog
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.controllers.labels import cells_before
from napari_cellseg.io.exchange.cells import Cells
from napari_cellseg.io.exchange.formats import FORMATS, format_named
from napari_cellseg.project.store import open_project


@pytest.fixture
def image_file(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, squares())
    return path


@pytest.fixture
def opened(dock, image_file, qtbot):
    """A dock that shows an image without cells."""
    dock.opener.open([str(image_file)])
    wait_idle(qtbot, dock)
    return dock


@pytest.fixture
def cells_file(tmp_path):
    """Return a function that writes one cell, away from the squares, in a format."""

    def write(name="geojson", box=(slice(40, 46), slice(5, 11)), **more):
        labels = np.zeros((60, 60), np.int32)
        labels[box] = 4
        one = format_named(name)
        path = tmp_path / f"a{one.suffix}"
        one.write(path, Cells(labels, image_name="a.tif", **more))
        return path

    return write


def ids(dock):
    return set(np.unique(dock.keeper.layer.data)) - {0}


def wait_written(qtbot, dock):
    """Wait for a file; the first of its kind compiles what traces outlines."""
    qtbot.waitUntil(lambda: not dock.files.is_running, timeout=60_000)


def choose_save(monkeypatch, path):
    monkeypatch.setattr(
        QFileDialog, "getSaveFileName", lambda *_a, **_k: (str(path), "")
    )


@pytest.mark.parametrize("place", ["measure", "project"])
def test_cells_are_exported_from_the_menus(
    opened, segment, qtbot, tmp_path, monkeypatch, place
):
    segment(opened)
    bar = opened.link.bar
    menu = opened.measure_tab.format_menu if place == "measure" else bar.format_menu

    for action, one in zip(menu.actions(), FORMATS, strict=True):
        choose_save(monkeypatch, tmp_path / f"out{one.suffix}")
        action.trigger()
        wait_written(qtbot, opened)

        assert (tmp_path / f"out{one.suffix}").exists()
        assert f"Saved: out{one.suffix}" in opened.footer.line.text()


def test_an_ending_is_put_on_where_none_was_typed(
    opened, segment, qtbot, tmp_path, monkeypatch
):
    segment(opened)
    choose_save(monkeypatch, tmp_path / "mine")

    opened.exchange.ask_export("geojson")
    wait_idle(qtbot, opened)

    assert (tmp_path / "mine.geojson").is_file()


def test_without_cells_there_is_nothing_to_export(opened, tmp_path):
    opened.exchange.export(tmp_path / "a.zip", format_named("roi"))

    assert "no cells to export" in opened.footer.line.text()


def test_imported_cells_are_shown_and_can_be_undone(
    opened, cells_file, qtbot, monkeypatch
):
    path = cells_file()
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", lambda *_a, **_k: (str(path), "")
    )

    opened.correct_tab.import_button.click()
    wait_idle(qtbot, opened)
    assert opened.exchange.question.isVisibleTo(opened)
    assert not opened.exchange.question.add.isVisibleTo(opened)
    opened.exchange.question.replace.click()

    assert ids(opened) == {4}
    assert opened.proofread.sources == {4: "model"}
    assert "1 cell imported" in opened.footer.line.text()
    opened.keeper.undo()
    assert ids(opened) == set()
    opened.keeper.redo()
    assert ids(opened) == {4}


def test_cells_drawn_by_a_person_are_locked(opened, cells_file, qtbot):
    opened.exchange.read(cells_file("roi"))
    wait_idle(qtbot, opened)
    opened.exchange.question.by_hand.setChecked(True)
    opened.exchange.question.replace.click()

    assert opened.proofread.locked_ids == {4}


def test_a_file_that_says_all_is_imported_without_a_question(opened, cells_file, qtbot):
    opened.exchange.read(cells_file("geojson", sources={4: "hand"}))
    wait_idle(qtbot, opened)

    assert not opened.exchange.question.isVisibleTo(opened)
    assert opened.proofread.sources == {4: "hand"}


@pytest.mark.parametrize(
    ("answer", "n_cells"), [("replace", 1), ("add", 4), ("leave", 3)]
)
def test_the_cells_that_are_here_stay_or_go(
    opened, segment, cells_file, qtbot, answer, n_cells
):
    segment(opened)
    before = opened.keeper.layer.data.copy()

    opened.exchange.read(cells_file())
    wait_idle(qtbot, opened)
    getattr(opened.exchange.question, answer).click()

    assert len(ids(opened)) == opened.proofread.n_cells == n_cells
    while opened.proofread.history.undo_name:
        opened.keeper.undo()
    np.testing.assert_array_equal(opened.keeper.layer.data, before)


def test_a_replaced_cell_takes_confidence_and_review_along_and_undo_brings_the_first(
    opened, segment, cells_file, qtbot
):
    segment(opened)
    opened.proofread.set_state([1], "accepted")
    confidence = dict(opened.proofread.cells.confidence)

    opened.exchange.read(cells_file("tiff"))
    wait_idle(qtbot, opened)
    opened.exchange.question.replace.click()

    assert opened.proofread.model_confidence == {}
    assert opened.proofread.locked_ids == set()
    assert opened.proofread.deleted == []
    opened.keeper.undo()
    assert opened.proofread.cells.confidence == confidence


def test_what_does_not_fit_is_told_of(opened, cells_file, qtbot, tmp_path):
    path = tmp_path / "b_labels.tif"
    tifffile.imwrite(path, np.ones((5, 5), np.uint8))

    opened.exchange.read(path)
    wait_idle(qtbot, opened)

    assert "5 × 5" in opened.footer.line.text()
    assert not [layer for layer in opened.viewer.layers if isinstance(layer, Labels)]


def test_without_an_image_cells_cannot_be_imported(dock, cells_file, qtbot):
    dock.exchange.read(cells_file())
    wait_idle(qtbot, dock)

    assert "open the image" in dock.footer.line.text()


def test_another_image_ends_the_question(opened, cells_file, qtbot):
    opened.exchange.read(cells_file())
    wait_idle(qtbot, opened)
    opened.viewer.add_image(squares(), name="b")
    opened.header.menu.setCurrentIndex(opened.header.menu.count() - 1)

    assert not opened.exchange.question.isVisibleTo(opened)


def test_imported_cells_go_into_the_project_as_one_step(
    opened, cells_file, qtbot, tmp_path
):
    opened.link.create(str(tmp_path / "work"))
    opened.exchange.read(cells_file())
    wait_idle(qtbot, opened)
    opened.exchange.question.replace.click()
    opened.release()

    with open_project(tmp_path / "work.cellseg") as project:
        kept = project.open_labels(1)
        assert set(np.unique(kept.labels)) == {0, 4}
        assert kept.sources == {4: "model"}
        assert kept.journal.undo_name == "import a.geojson"


@pytest.mark.parametrize(
    ("format_name", "noun", "is_right"),
    [
        (
            "tiff",
            "file",
            lambda out: set(np.unique(tifffile.imread(out / "a_labels.tif"))) == {0, 4},
        ),
        (
            "csv",
            "table",
            lambda out: list(pd.read_csv(out / "a_cells.csv")["label"]) == [4],
        ),
    ],
    ids=["labels", "tables"],
)
def test_all_images_of_a_project_are_exported_with_the_last_step(
    opened, cells_file, qtbot, tmp_path, monkeypatch, format_name, noun, is_right
):
    opened.link.create(str(tmp_path / "work"))
    opened.exchange.read(cells_file())
    wait_idle(qtbot, opened)
    opened.exchange.question.replace.click()
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_a: str(out))
    menu = opened.link.bar.every_menu
    (action,) = [a for a in menu.actions() if a.data() == format_name]

    action.trigger()
    wait_written(qtbot, opened)

    assert is_right(out)
    assert f"Saved: 1 {noun} in out" in opened.footer.line.text()


@pytest.fixture
def asked(opened, cells_file, segment, qtbot, monkeypatch):
    """Return a dock that asks about cells which a job will take."""
    monkeypatch.setattr(cells_before, "AT_ONCE_PX", 0)
    segment(opened)
    opened.exchange.read(cells_file())
    wait_idle(qtbot, opened)
    return opened


def test_the_question_stays_while_another_file_is_written(asked, qtbot, monkeypatch):
    with monkeypatch.context() as other:
        other.setattr(type(asked.files), "is_running", True)
        asked.exchange.question.add.click()
    assert "Still busy" in asked.footer.line.text()
    assert not asked.exchange.question.isHidden()
    asked.exchange.question.add.click()
    qtbot.waitUntil(lambda: 4 in asked.proofread.sources)


def test_cells_of_a_large_image_are_taken_by_a_job_with_what_was_done_meanwhile(
    asked, qtbot
):
    before = set(asked.proofread.sources)
    asked.exchange.question.add.click()
    assert set(asked.proofread.sources) == before
    asked.proofread.delete_cells([2])
    qtbot.waitUntil(lambda: 4 in asked.proofread.sources)
    assert ids(asked) == {1, 3, 4}
    for left in ({1, 3}, {1, 2, 3}):
        asked.keeper.undo()
        assert ids(asked) == left
