"""The Train tab: from checked cells to a better model, and back."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QApplication
from tests.fakes import FakeEngine, FakeTrainer
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.controllers.engine import LocalEngine
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.core.training.item import TrainProgress
from napari_cellseg.io.models.folder import (
    DEFAULT_MODEL,
    MODELS_VARIABLE,
    SPEC_NAME,
    find_model,
    read_model_spec,
)
from napari_cellseg.io.models.left_trainings import LeftTraining
from napari_cellseg.io.models.training_files import write_outcome
from napari_cellseg.widgets.basics.words import shortened
from napari_cellseg.widgets.closing.left_training import (
    FINISH,
    STAY,
    STOP,
    ask_person,
    left_words,
)
from napari_cellseg.widgets.main import TAB_NAMES, CellSegmentationWidget
from napari_cellseg.widgets.segmenting.question import KEEP
from napari_cellseg.widgets.training.train import CurveView


class StoreEngine(FakeEngine):
    """Segments like the fake, but lists the models that are on disk."""

    def list_models(self):
        return LocalEngine().list_models()


@pytest.fixture
def trained_model(tmp_path):
    folder = tmp_path / "made"
    shutil.copytree(find_model(None), folder)
    spec = replace(read_model_spec(folder), name="mine", title="Mine")
    (folder / SPEC_NAME).write_text(spec.to_json())
    return folder


@pytest.fixture
def training(make_napari_viewer, qtbot, tmp_path, monkeypatch, trained_model):
    """Return a dock on its Train tab with three segmented cells, and its trainer."""
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    trainer = FakeTrainer(trained_model)
    viewer = make_napari_viewer(show=True)
    dock = CellSegmentationWidget(viewer, StoreEngine(), trainer=lambda *_: trainer)
    viewer.window.add_dock_widget(dock)
    viewer.add_image(squares())
    dock.start()
    wait_idle(qtbot, dock)
    yield dock, trainer
    dock.release()


def test_the_curve_of_a_training_that_goes_on_is_seen_before_its_first_step(qtbot):
    # Until the old model is measured again nobody says how many steps there will be.
    view = CurveView()
    qtbot.addWidget(view)
    view.resize(240, 80)
    view.show_curve([CurvePoint(step, 1.0, None) for step in range(1, 37)], 0)
    assert view._place(1, 1.0).x() < view._place(36, 1.0).x() < view.width()


def test_only_words_too_long_for_a_line_are_shortened():
    plain = "nothing: what the old model knows is forgotten"
    assert shortened(plain) == plain
    assert shortened(f"{'a' * 64} model") == f"{'a' * 15}…{'a' * 15} model"


def go_to_train(dock):
    dock.tabs.setCurrentIndex(TAB_NAMES.index("Train"))


def train(dock, qtbot):
    go_to_train(dock)
    qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.train.task.is_running, timeout=60_000)


def test_without_anything_checked_the_button_says_what_to_do(training):
    dock, _ = training
    go_to_train(dock)
    assert not dock.footer.button.isEnabled()
    assert "mark an area or the whole image as checked" in dock.footer.button.toolTip()
    assert "Nothing is checked" in dock.train_tab.options.supply.text()


def test_only_what_is_checked_is_learned_from(training, qtbot):
    dock, trainer = training
    dock.proofread.set_state([2], "accepted")
    train(dock, qtbot)
    (item,) = trainer.items
    assert list(item.cell_ids()) == [2]
    assert not item.valid[item.labels == 1].any()


def test_what_there_is_to_learn_from_is_said(training):
    dock, _ = training
    square = np.array([[5.0, 2.0], [5.0, 20.0], [22.0, 20.0], [22.0, 2.0]])
    dock.proofread.check_area(square, ())
    go_to_train(dock)
    assert "1 checked cell," in dock.train_tab.options.supply.text()
    assert "few" in dock.train_tab.options.warning.text()


def test_cells_that_come_while_the_tab_is_open_are_counted(training):
    dock, _ = training
    dock.proofread.set_state([1, 2], "accepted")
    cells = dock.proofread.cells
    dock.proofread.reopen(None)
    go_to_train(dock)
    assert "Nothing is checked" in dock.train_tab.options.supply.text()
    dock.proofread.reopen(cells)
    assert "2 checked cells" in dock.train_tab.options.supply.text()


def test_it_says_which_model_it_starts_from(training):
    dock, _ = training
    go_to_train(dock)
    assert dock.train_tab.options.start.text() == dock.segment.model.title != ""
    presets = dock.train_tab.options.preset
    presets.setCurrentIndex(presets.findData("from_scratch"))
    assert "forgotten" in dock.train_tab.options.start.text()


@pytest.mark.parametrize("is_better", [True, False])
def test_the_button_that_is_advised_is_the_bold_one(training, qtbot, is_better):
    dock, trainer = training
    trainer.is_better = is_better
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    result = dock.train_tab.result
    assert result.use.font().bold() is is_better
    assert result.keep.font().bold() is not is_better


def test_old_and_new_stand_side_by_side_and_one_click_uses_the_new(training, qtbot):
    dock, _ = training
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    tab = dock.train_tab
    assert not tab.result.isHidden()
    assert "Better" in tab.result.reason.text()
    shown = [label.text() for label in tab.result._cells]
    assert "0.500 → 0.600" in shown
    assert shown[shown.index("count error") + 1] == "10% → 10%"
    assert shown[shown.index("cells gained") + 1] == "2"
    area = dock.tabs.currentWidget()
    # The dock is laid out again in a later turn of the event loop.
    qtbot.waitUntil(lambda: tab.minimumSizeHint().width() <= area.viewport().width())
    qtbot.mouseClick(tab.result.use, Qt.MouseButton.LeftButton)
    assert dock.segment.model.name == "mine"
    assert "Mine" in dock.footer.line.text()
    assert not tab.back.isHidden()
    qtbot.mouseClick(tab.back, Qt.MouseButton.LeftButton)
    assert dock.segment.model.name == DEFAULT_MODEL


def test_a_promoted_model_is_chosen_in_the_next_session(
    training, qtbot, make_napari_viewer
):
    dock, _ = training
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    dock.train.use_new()
    viewer = make_napari_viewer()
    again = CellSegmentationWidget(viewer, StoreEngine())
    assert again.segment.model.name == "mine"
    again.release()


def test_the_foot_tells_of_the_end_of_a_training_on_any_tab(training, qtbot):
    dock, _ = training
    dock.proofread.set_state([1, 2], "accepted")
    go_to_train(dock)
    qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
    assert "go on correcting" in dock.footer.line.text()
    dock.tabs.setCurrentIndex(TAB_NAMES.index("Correct"))
    qtbot.waitUntil(lambda: not dock.train.task.is_running, timeout=60_000)
    assert "its result is on the tab Train" in dock.footer.line.text()
    go_to_train(dock)
    qtbot.mouseClick(dock.train_tab.result.keep, Qt.MouseButton.LeftButton)
    assert dock.footer.line.text() == ""


def test_figures_say_what_they_mean_and_pictures_what_they_show(training, qtbot):
    dock, _ = training
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    result = dock.train_tab.result
    tips = {label.text(): label.toolTip() for label in result._cells}
    assert all(
        tips[word]
        for word in ("found (AP50)", "outlines (mSA)", "count error", "cells gained")
    )
    assert [c.isHidden() for c in result.captions] == [
        p.isHidden() for p in result.pictures
    ]


def test_the_curve_of_a_training_goes_once_its_result_was_decided_about(
    training, qtbot
):
    dock, _ = training
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    dock.train.curve = [CurvePoint(1, 0.5, None), CurvePoint(2, 0.4, 0.7)]
    qtbot.mouseClick(dock.train_tab.result.keep, Qt.MouseButton.LeftButton)
    assert dock.train_tab.curve.isHidden()
    assert dock.train_tab.curve_words.isHidden()


def test_a_long_name_of_a_training_does_not_widen_the_dock():
    words = left_words(LeftTraining(Path(), "a" * 64 + ".png model", "cut", 7, 240))
    assert max(map(len, words.split())) < 36
    assert "cut at step 7 of 240" in words


def test_keeping_the_old_changes_nothing(training, qtbot):
    dock, trainer = training
    trainer.is_better = False
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    assert "Keep the old" in dock.train_tab.result.reason.text()
    qtbot.mouseClick(dock.train_tab.result.keep, Qt.MouseButton.LeftButton)
    assert dock.train_tab.result.isHidden()
    assert dock.segment.model.name == DEFAULT_MODEL


def test_what_is_checked_on_other_images_of_the_project_is_learned_too(
    training, qtbot, tmp_path
):
    dock, trainer = training
    dock.viewer.layers.clear()
    for name, n in (("one", 3), ("two", 2)):
        tifffile.imwrite(tmp_path / f"{name}.tif", squares(n))
    dock.opener.open([str(tmp_path / "one.tif")])
    wait_idle(qtbot, dock)
    dock.link.create(str(tmp_path / "work"))
    dock.projects.add_images([tmp_path / "two.tif"])
    for place in (0, 1):
        dock.link.show_image(place)
        wait_idle(qtbot, dock)
        dock.start()
        wait_idle(qtbot, dock)
        dock.proofread.set_state([1], "accepted")
    train(dock, qtbot)
    assert dock.train.task.state == "done"
    assert sorted(item.name for item in trainer.items) == ["one.tif", "two.tif"]


class EndlessTrainer(FakeTrainer):
    """Goes on until it is stopped or let alone."""

    def go_on(self, out):
        self.gone_on_with = out
        while not self.was_stopped:
            yield TrainProgress(1, 3, "step 1 of 3", (CurvePoint(1, 1.0),))
        return (yield from super().go_on(out))


def prepare(dock, trainer, monkeypatch):
    """Let a trainer be the one that the button starts."""
    monkeypatch.setattr(dock.train, "_open_trainer", lambda *_: trainer)
    dock.proofread.set_state([1], "accepted")
    go_to_train(dock)


@pytest.fixture
def endless(training, qtbot, monkeypatch, trained_model):
    """Return a dock in which a training runs, and its trainer."""
    dock, _ = training
    trainer = EndlessTrainer(trained_model)
    prepare(dock, trainer, monkeypatch)
    qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(dock.train.curve), timeout=60_000)
    yield dock, trainer
    trainer.was_stopped = True
    qtbot.waitUntil(lambda: not dock.train.task.is_running, timeout=60_000)


def test_correcting_and_segmenting_go_on_with_the_old_model_while_it_trains(
    endless, qtbot
):
    dock, _ = endless
    old = dock.segment.model.name
    dock.proofread.delete_cells([2])
    assert 2 not in dock.proofread.sources
    dock.start()
    dock.question.answered.emit(KEEP)  # there is work by hand, so it asks
    wait_idle(qtbot, dock)
    assert dock.task.state == "done"
    assert dock.train.task.is_running
    assert dock.segment.model.name == old


def test_a_click_on_stop_ends_it_with_the_best_so_far(endless, qtbot):
    dock, trainer = endless
    button = dock.train_tab.stop
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.train.outcome is not None, timeout=60_000)
    assert trainer.was_stopped
    assert not button.isVisible()
    assert dock.train_tab.result.isVisible()


def test_a_click_on_stop_is_seen_at_once_though_the_step_takes_long(endless, qtbot):
    dock, trainer = endless
    trainer.stop = lambda: None  # it is in the middle of a step
    button = dock.train_tab.stop
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert dock.train.task.is_running
    assert not button.isEnabled()
    assert "Stopping" in button.text()


class SlowlyBeginning(FakeTrainer):
    """Measures the old model for ever, or compares for ever."""

    step = TrainProgress(0, 0, "measuring the old model")

    def go_on(self, out):
        while True:
            yield self.step


@pytest.fixture
def unending(training, monkeypatch, trained_model):
    """Return a dock whose trainer goes on until it is closed."""
    dock, _ = training
    trainer = SlowlyBeginning(trained_model)
    prepare(dock, trainer, monkeypatch)
    yield dock, trainer
    dock.train.close()


def test_a_training_that_has_not_learned_anything_yet_is_cancelled(unending, qtbot):
    dock, _ = unending
    qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
    button = dock.train_tab.stop
    assert button.text() == "Cancel"
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.train.task.is_running, timeout=60_000)
    assert dock.train.outcome is None
    assert "begun" not in dock.footer.line.text()


def test_nothing_can_be_stopped_while_old_and_new_are_compared(unending, qtbot):
    dock, trainer = unending
    trainer.step = TrainProgress(3, 3, "comparing old and new")
    qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "comparing" in dock.train_tab.line.text(), timeout=60_000)
    assert dock.train_tab.stop.isHidden()


def test_closing_asks_and_stays_if_the_person_wants(endless):
    dock, trainer = endless
    asked = []

    def ask(_parent, text):
        asked.append(text)
        return STAY

    dock.guard.ask = ask
    assert not dock.window().close()
    assert asked == ["A training is running (step 1 of 3)."]
    assert dock.window().isVisible()
    assert dock.train.task.is_running
    assert not trainer.was_left_alone


@pytest.mark.parametrize(("answer", "is_stopped"), [(STOP, True), (FINISH, False)])
def test_closing_lets_the_training_end_without_the_window(endless, answer, is_stopped):
    dock, trainer = endless
    dock.guard.ask = lambda *_: answer
    # What napari does on closing is not looked at here.
    assert not dock.guard.eventFilter(dock.window(), QCloseEvent())
    assert trainer.was_left_alone
    assert trainer.was_stopped is is_stopped


def test_without_a_training_nobody_is_asked(training):
    dock, _ = training
    dock.guard.ask = lambda *_: pytest.fail("asked")
    assert not dock.guard.eventFilter(dock.window(), QCloseEvent())


def test_the_question_has_three_answers(training, qtbot):
    dock, _ = training
    answers = {}
    for text in ("Stop, keep the best so far", "Let it finish", "Stay here"):
        QTimer.singleShot(100, lambda text=text: press(text))
        answers[text] = ask_person(dock, "A training is running.")
    assert list(answers.values()) == [STOP, FINISH, STAY]


def press(text):
    box = QApplication.activeModalWidget()
    next(one for one in box.buttons() if one.text().replace("&", "") == text).click()


def test_what_an_earlier_window_left_is_offered(training, qtbot, make_napari_viewer):
    dock, trainer = training
    dock.proofread.set_state([1, 2], "accepted")
    train(dock, qtbot)
    folder = trainer.gone_on_with
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps({"title": "Mine"}))
    write_outcome(folder, dock.train.outcome)
    viewer = make_napari_viewer()
    again = CellSegmentationWidget(viewer, StoreEngine(), trainer=lambda *_: trainer)
    assert "See the tab Train." in again.footer.line.text()
    tab = again.train_tab
    assert not tab.left.isHidden()
    qtbot.mouseClick(tab.left.take, Qt.MouseButton.LeftButton)
    assert tab.left.isHidden()
    assert "Better" in tab.result.reason.text()
    qtbot.mouseClick(tab.result.use, Qt.MouseButton.LeftButton)
    assert again.segment.model.name == "mine"
    again.release()
    third = CellSegmentationWidget(viewer, StoreEngine(), trainer=lambda *_: trainer)
    assert third.train.left is None
    third.release()


def test_a_folder_of_pairs_is_learned_from_without_an_export(training, qtbot, tmp_path):
    dock, trainer = training
    for part, data in (
        ("images", squares(2)),
        ("masks", (squares(2) > 0).astype("u1")),
    ):
        (tmp_path / "set" / part).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "set" / part / "one.tif", data)
    go_to_train(dock)
    dock.train.choose_source("folder", tmp_path / "set")
    qtbot.waitUntil(lambda: dock.train.supply is not None, timeout=60_000)
    assert "1 image, 1 checked cell, 3,600 px" in dock.train_tab.options.supply.text()
    train(dock, qtbot)
    (item,) = trainer.items
    assert item.valid.all()


def test_labels_without_an_image_are_told_of(training, qtbot, tmp_path):
    dock, _ = training
    for part, name in (("images", "one"), ("masks", "one"), ("masks", "two")):
        (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / "set" / part / f"{name}.tif", squares(2))
    go_to_train(dock)
    dock.train.choose_source("folder", tmp_path / "set")
    qtbot.waitUntil(lambda: bool(dock.train.problem), timeout=60_000)
    assert "'masks/two.tif'" in dock.train_tab.options.supply.text()
    assert not dock.footer.button.isEnabled()


def test_advanced_options_are_made_from_their_own_ranges(training):
    dock, _ = training
    form = dock.train_tab.options.advanced
    assert {"steps", "learning_rate", "encoder_share", "seed"} <= set(form.fields)
    assert form.isHidden()
    form.fields["steps"].setValue(77)
    assert dock.train.options.plan[0] == 77
    form.fields["steps"].setValue(form.fields["steps"].minimum())
    assert dock.train.options.steps is None
    assert form.fields["steps"].text() == "as the preset"
    form.fields["encoder_share"].setValue(0.5)
    assert dock.train.options.encoder_share == 0.5
    dock.train.set_option("crop_px", 128)
    assert form.fields["crop_px"].value() == 128
