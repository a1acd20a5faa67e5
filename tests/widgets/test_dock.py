"""The dock, from an image to numbers."""

import gc

import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QFileDialog
from tests.widgets.conftest import squares, wait_idle
from tests.widgets.test_contributions import write_zarr

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.labels.contours import contours
from napari_cellseg.core.types import CellImage
from napari_cellseg.widgets.basics.words import colour_of, result_line
from napari_cellseg.widgets.labels import part_shown
from napari_cellseg.widgets.main import TAB_NAMES


def labels_layers(dock):
    return [layer for layer in dock.viewer.layers if isinstance(layer, Labels)]


def test_an_image_is_segmented_measured_and_shown(dock, segment):
    image = dock.viewer.add_image(
        squares(), scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"), name="a"
    )
    segment(dock)
    (layer,) = labels_layers(dock)
    assert layer.data.max() == 3
    np.testing.assert_array_equal(layer.scale, image.scale)
    np.testing.assert_array_equal(layer.translate, image.translate)
    assert layer.units == image.units
    assert layer.metadata["napari-cellseg"]["digest"] == "f" * 64
    assert layer.contour > 0
    assert "3 cells" in dock.footer.line.text()
    assert "0.5 µm/px" in dock.header.facts.text()
    assert dock.measure.table.cells["area_um2"].tolist() == [16.0] * 3


def test_without_an_image_the_button_says_why_not(dock):
    assert not dock.footer.button.isEnabled()
    assert "Open an image" in dock.footer.button.toolTip()


@pytest.mark.parametrize("size", [(344, 600)])
def test_every_tab_fits_a_small_laptop(dock, segment, size):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.segment_tab.fine_button.setChecked(True)
    width, height = size
    frame = dock.header.sizeHint().height() + dock.footer.sizeHint().height()
    for index in range(dock.tabs.count()):
        page = dock.tabs.widget(index).widget()
        needed = max(page.sizeHint().height(), page.heightForWidth(width - 30))
        assert needed + frame + dock.tabs.tabBar().sizeHint().height() <= height
        assert page.minimumSizeHint().width() <= width - 18
    assert dock.minimumSizeHint().width() <= 360


def test_nothing_is_cut_off_where_the_pixel_size_is_known(make_dock, segment, qtbot):
    dock = make_dock(show=True)
    dock.viewer.add_image(squares(), scale=(0.325, 0.325), units=("um", "um"))
    segment(dock)
    dock.segment.set_option("diameter_px", 136.4)
    for index in range(dock.tabs.count()):
        dock.tabs.setCurrentIndex(index)
        qtbot.wait(50)
        area = dock.tabs.widget(index)
        assert area.widget().minimumSizeHint().width() <= area.viewport().width()


def test_a_pixel_size_that_no_microscope_has_is_asked_about(dock):
    dock.viewer.add_image(squares(), scale=(1e9, 1e9), units=("um", "um"))
    assert "1e+09 µm/px? Correct it" in dock.header.facts.text()


def test_programs_that_are_not_installed_are_named_with_what_installs_them(
    make_dock, engine, monkeypatch
):
    missing = [("Cellpose", "pip install cellpose")]
    monkeypatch.setattr(engine, "missing_programs", lambda: missing)
    menu = make_dock().segment_tab.model
    assert [menu.itemText(i) for i in range(menu.count())] == [
        "Fake cells", "Cellpose (not installed)"
    ]  # fmt: skip
    assert not menu.model().item(1).isEnabled()
    assert "pip install cellpose" in menu.itemData(1, Qt.ItemDataRole.ToolTipRole)
    assert menu.currentIndex() == 0


def test_the_pixel_size_is_set_by_hand(dock, segment):
    image = dock.viewer.add_image(squares())
    assert "unknown" in dock.header.facts.text()
    segment(dock)
    dock.header.edit_button.setChecked(True)
    dock.header.pixel_size_field.setValue(0.25)
    dock.header.pixel_size_button.click()
    assert image.scale.tolist() == [0.25, 0.25]
    assert "0.25 µm/px" in dock.header.facts.text()
    assert labels_layers(dock)[0].scale.tolist() == [0.25, 0.25]


def test_what_is_drawn_over_the_image_takes_its_pixel_size_along(dock, segment, qtbot):
    dock.viewer.add_image(squares())
    segment(dock)
    square = np.array([[2.0, 2.0], [2.0, 20.0], [25.0, 20.0], [25.0, 2.0]])
    dock.proofread.check_area(square, ())
    dock.by_class.classes.give(1)
    qtbot.waitUntil(lambda: "classes" in dock.viewer.layers)
    dock.header.edit_button.setChecked(True)
    dock.header.pixel_size_field.setValue(0.25)
    dock.header.pixel_size_button.click()
    scales = [layer.scale.tolist() for layer in dock.viewer.layers]
    assert scales == [[0.25, 0.25]] * 4
    # None where units are mixed: napari then warns and ignores all of them.
    assert dock.viewer.layers.extent.units is not None


def test_the_image_fills_the_canvas_after_its_pixel_size_was_set(make_dock, qtbot):
    dock = make_dock(show=True)
    dock.viewer.add_image(squares())
    before = dock.viewer.scene.camera.zoom
    dock.header.edit_button.setChecked(True)
    dock.header.pixel_size_field.setValue(0.25)
    dock.header.pixel_size_button.click()
    # A pixel is a quarter as large in the world, and as large as before on the screen.
    assert dock.viewer.scene.camera.zoom == pytest.approx(4 * before, rel=0.02)


def test_what_the_button_waits_for_stands_below_it(dock, segment):
    dock.viewer.add_image(np.zeros((2, 60, 60)), axis_labels=("c", "y", "x"))
    assert "Choose the channel" in dock.footer.line.text()
    dock.segment_tab.channels.cells.setCurrentIndex(0)
    assert not dock.footer.line.text()
    dock.viewer.add_image(np.zeros((3, 3)))
    assert "3 × 3 pixels" in dock.footer.line.text()
    dock.tabs.setCurrentIndex(TAB_NAMES.index("Measure"))
    assert not dock.footer.line.text()


def test_words_follow_the_theme(dock):
    dock.viewer.add_image(squares(), scale=(0.5, 0.5), units=("um", "um"))
    dock.footer.tell("done")
    dark = dock.footer.line.text(), dock.header.facts.text()
    dock.viewer.theme = "light"
    light = dock.footer.line.text(), dock.header.facts.text()
    assert all(a != b for a, b in zip(dark, light, strict=True))
    dock.viewer.theme = "dark"
    assert (dock.footer.line.text(), dock.header.facts.text()) == dark


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_an_error_is_red(theme):
    red, green, blue, _ = QColor(colour_of("error", theme)).getRgb()
    assert red > 1.5 * max(green, blue)


@pytest.mark.parametrize("tone", ["plain", "dim", "warning", "error"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_can_be_read_on_every_theme(tone, theme):
    from napari.utils.theme import get_theme

    def luminance(colour):
        parts = [part / 255 for part in QColor(colour).getRgb()[:3]]
        linear = [
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
            for part in parts
        ]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    ground = luminance(get_theme(theme).background.as_hex())
    text = luminance(colour_of(tone, theme))
    low, high = sorted((ground, text))
    # The contrast that WCAG 2.1 asks of text (level AA).
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_diameter_out_of_range_becomes_the_nearest_in_it(dock, qtbot):
    dock.viewer.add_image(squares())
    dock.segment_tab.diameter_auto.setChecked(False)
    field = dock.segment_tab.diameter
    field.selectAll()
    qtbot.keyClicks(field, "0.1")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert field.value() == field.minimum()
    assert dock.segment.options.diameter_px == field.minimum()


def test_tabs_without_cells_say_what_to_press(dock):
    dock.viewer.add_image(squares())
    for name in ("Correct", "Measure"):
        dock.tabs.setCurrentIndex(TAB_NAMES.index(name))
        assert "press Segment" in dock.footer.button.toolTip()
    assert "press Segment" in dock.correct_tab.counts.text()
    assert "Press Segment" in dock.measure_tab.sources.text()


def test_areas_and_classes_have_the_units_of_the_image(dock, segment, qtbot):
    dock.viewer.add_image(squares(), scale=(0.5, 0.5), units=("um", "um"))
    segment(dock)
    units = []
    dock.viewer.layers.events.inserted.connect(
        lambda event: units.append({str(unit) for unit in event.value.units})
    )
    square = np.array([[2.0, 2.0], [2.0, 20.0], [25.0, 20.0], [25.0, 2.0]])
    dock.proofread.check_area(square, ())
    dock.by_class.classes.give(1)
    qtbot.waitUntil(lambda: "classes" in dock.viewer.layers)
    assert units == [{"micrometer"}] * 2


def test_undo_and_marking_are_told_in_the_dock(dock, segment):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.proofread.delete_cells([1])
    dock.proofread.undo()
    assert "undone: delete cell · 3 cells" in dock.footer.line.text()
    dock.proofread.redo()
    assert ">delete cell · 2 cells" in dock.footer.line.text()
    square = np.array([[0.0, 0.0], [0.0, 59.0], [59.0, 59.0], [59.0, 0.0]])
    dock.proofread.check_area(square, ())
    assert "2 cells marked as right" in dock.footer.line.text()


def test_unknown_axes_are_asked_for_and_never_guessed(dock, segment):
    dock.viewer.add_image(squares(shape=(4, 60, 60)))
    assert not dock.footer.button.isEnabled()
    (menu,) = dock.header.axis_menus
    assert menu.currentIndex() == -1
    menu.setCurrentIndex(menu.findData("T"))
    assert dock.session.image.axes == "TCYX"
    segment(dock)
    assert labels_layers(dock)[0].data.shape == (4, 60, 60)


def test_channels_are_asked_for(dock, segment):
    dock.viewer.add_image(squares(shape=(2, 60, 60)))
    (menu,) = dock.header.axis_menus
    menu.setCurrentIndex(menu.findData("C"))
    assert "channel" in dock.footer.button.toolTip()
    dock.segment_tab.channels.cells.setCurrentIndex(1)
    segment(dock)
    assert labels_layers(dock)[0].data.shape == (60, 60)


def test_nuclei_are_chosen_beside_the_cells_and_never_the_same_channel(dock):
    dock.viewer.add_image(squares(shape=(2, 60, 60)))
    (menu,) = dock.header.axis_menus
    menu.setCurrentIndex(menu.findData("C"))
    channels = dock.segment_tab.channels
    assert not channels.nuclei.isEnabled()

    channels.cells.setCurrentIndex(0)
    channels.nuclei.setCurrentIndex(2)
    assert (dock.segment.options.channel, dock.segment.options.nuclei_channel) == (0, 1)

    channels.cells.setCurrentIndex(1)
    assert (dock.segment.options.channel, dock.segment.options.nuclei_channel) == (
        1,
        None,
    )
    assert channels.nuclei.currentIndex() == 0

    channels.nuclei.setCurrentIndex(2)
    assert dock.segment.options.nuclei_channel is None
    assert channels.nuclei.currentIndex() == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((1, 50), np.uint8), "50 × 1 pixels"),
        (np.zeros((50, 1), np.uint8), "1 × 50 pixels"),
    ],
    ids=["one row", "one column"],
)
def test_what_cannot_be_segmented_is_said_in_the_dock(dock, data, words):
    dock.viewer.add_image(data)
    said = dock.header.facts.text() + dock.footer.button.toolTip()
    assert words in said
    assert not dock.footer.button.isEnabled()


@pytest.mark.parametrize(
    "data",
    [
        np.zeros((40, 40), np.uint8),
        np.full((40, 40), 7, np.int64),
        np.zeros((40, 40), bool),
        np.ones((40, 40), np.float16),
    ],
    ids=["zero", "int64", "bool", "float16"],
)
def test_images_without_cells_give_one_sentence(dock, segment, data):
    dock.viewer.add_image(data)
    segment(dock)
    assert "same value, or none" in dock.footer.line.text()


def test_without_cells_the_slider_is_named_and_where_it_is():
    text, tone = result_line(0, 0, 1.0)
    assert "'Cell extent' under 'Fine-tune the result'" in text
    assert tone == "warning"


def test_an_error_of_the_model_stands_in_the_dock(dock, engine, segment, monkeypatch):
    def fail(image, options):
        yield Progress(0, 1)
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(engine.segmenter, "segment", fail)
    dock.viewer.add_image(squares())
    segment(dock)
    assert "CUDA error" in dock.footer.line.text()
    assert not dock.footer.copy_button.isHidden()
    assert dock.footer.button.text().startswith("Segment")


def slow(engine, monkeypatch):
    """Make the fake engine run until it is closed."""

    def forever(image, options):
        while True:
            yield Progress(1, 10, "tile 1 of 10")

    monkeypatch.setattr(engine.segmenter, "segment", forever)


def test_segment_becomes_cancel(dock, engine, qtbot, monkeypatch):
    slow(engine, monkeypatch)
    dock.viewer.add_image(squares())
    dock.start()
    qtbot.waitUntil(lambda: dock.task.progress.total == 10)
    assert dock.footer.button.text() == "Cancel"
    assert "tile 1 of 10" in dock.footer.line.text()
    dock.footer.button.click()
    dock.task.take_progress(Progress(2, 10))
    assert dock.footer.button.text() == "Cancelling…"
    wait_idle(qtbot, dock)
    assert dock.footer.button.text().startswith("Segment")
    assert "Cancelled" in dock.footer.line.text()
    assert labels_layers(dock) == []


def test_a_viewer_that_closes_in_a_run_leaves_nothing(
    make_dock, engine, qtbot, monkeypatch
):
    slow(engine, monkeypatch)
    dock = make_dock()
    dock.viewer.add_image(squares())
    dock.start()
    qtbot.waitUntil(lambda: dock.task.progress.total == 10)
    dock.viewer.close()
    qtbot.waitUntil(lambda: not dock.task.is_running, timeout=5000)


def test_an_image_removed_in_a_run_keeps_the_result(dock, qtbot):
    from tests.fakes import NowStarter

    starter = NowStarter(is_held=True)
    dock.task.starter = starter
    image = dock.viewer.add_image(squares(), scale=(2, 2), name="gone")
    dock.start()
    dock.viewer.layers.remove(image)
    starter.release()
    wait_idle(qtbot, dock)
    (layer,) = labels_layers(dock)
    assert layer.data.max() == 3
    assert layer.scale.tolist() == [2, 2]
    assert dock.proofread.labels is None
    assert "is not open any more" in dock.footer.line.text()


def test_an_image_that_another_hid_is_seen_when_that_is_removed(dock, segment):
    first = dock.viewer.add_image(squares(), name="first")
    segment(dock)
    second = dock.viewer.add_image(squares(), name="second")
    dock.header.show_chosen()
    assert not first.visible
    dock.viewer.layers.remove(second)
    assert first.visible
    assert labels_layers(dock)[0].visible


def test_a_flat_image_beside_a_stack_fills_the_canvas(make_dock):
    dock = make_dock(show=True)
    dock.viewer.add_image(squares(shape=(5, 60, 60)), name="stack")
    dock.viewer.add_image(squares(shape=(300, 400)), name="flat", scale=(2, 2))
    dock.header.fit_view()
    camera = dock.viewer.scene.camera
    assert camera.center == (0.0, 299.0, 399.0)
    assert camera.zoom == pytest.approx(
        0.95 * min(dock.viewer.canvas.size[0] / 600, dock.viewer.canvas.size[1] / 800)
    )


def test_a_result_layer_that_is_removed_is_let_go(dock, segment):
    dock.viewer.add_image(squares())
    segment(dock)
    layer = labels_layers(dock)[0]
    dock.viewer.layers.remove(layer)
    assert dock.proofread.labels is None
    assert "undo" not in vars(layer)
    segment(dock)
    assert len(labels_layers(dock)) == 1


def test_running_again_asks_before_work_by_hand_is_touched(dock, segment, qtbot):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.proofread.delete_cells([1])
    dock.start()
    assert not dock.task.is_running
    assert not dock.question.isHidden()
    dock.question.keep_button.click()
    wait_idle(qtbot, dock)
    assert dock.proofread.n_cells == 2
    dock.proofread.keep_mine = False
    dock.start()
    dock.question.replace_button.click()
    wait_idle(qtbot, dock)
    assert dock.proofread.n_cells == 3
    assert len(labels_layers(dock)) == 1
    labels_layers(dock)[0].undo()
    assert dock.proofread.n_cells == 2


def test_the_question_about_cells_goes_when_others_are_corrected(dock, segment):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.proofread.delete_cells([1])
    dock.start()
    dock.viewer.add_labels(np.ones((60, 60), np.int32), name="others")
    others = [layer.name for layer in dock.keeper.labels_layers()].index("others")
    dock.keeper.choose(others)
    assert dock.question.isHidden()


def test_sliders_decode_at_once(dock, segment, engine, qtbot):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.segment_tab.foreground.setValue(0.3)
    dock.segment_tab.foreground.setValue(0.4)
    qtbot.waitUntil(lambda: dock.proofread.n_cells == 2)
    wait_idle(qtbot, dock)
    assert engine.segmenter.n_runs == 1
    assert labels_layers(dock)[0].data.max() == 2


def test_the_view_alone_is_segmented(make_dock, qtbot, segment):
    dock = make_dock(show=True)
    dock.viewer.add_image(squares(shape=(2, 60, 60)))
    dock.header.axis_menus[0].setCurrentIndex(0)
    dock.viewer.dims.set_current_step(0, 1)
    dock.viewer.scene.camera.center = (0, 14, 9)
    dock.viewer.scene.camera.zoom = 30
    qtbot.wait(100)
    dock.segment_tab.region_buttons[1].click()
    segment(dock)
    layer = labels_layers(dock)[0]
    assert layer.data.shape == (2, 60, 60)
    assert layer.data[1].max() >= 1
    assert not layer.data[0].any()
    assert not layer.data[1, :, 40:].any()


def test_a_drawn_region_is_segmented(dock, segment):
    dock.viewer.add_image(squares(), scale=(0.5, 0.5))
    dock.segment_tab.region_buttons[2].click()
    shapes = dock.viewer.layers["region to segment"]
    shapes.add_rectangles([[0, 0], [0, 30], [30, 30], [30, 0]])
    segment(dock)
    assert dock.proofread.n_cells == 2


def test_a_drawn_region_that_is_missing_is_asked_for(dock):
    dock.viewer.add_image(squares())
    dock.segment_tab.region_buttons[2].click()
    dock.start()
    assert "Nothing is drawn yet" in dock.footer.line.text()


def test_another_image_has_cells_and_history_of_its_own(dock, segment):
    first = dock.viewer.add_image(squares(3), name="first")
    segment(dock)
    dock.proofread.delete_cells([1])
    dock.viewer.add_image(squares(1), name="second")
    assert dock.proofread.labels is None
    segment(dock)
    assert dock.proofread.n_cells == 1
    dock.header.menu.setCurrentText(first.name)
    assert dock.proofread.n_cells == 2
    assert dock.proofread.history.undo_name == "delete cell"


def test_what_is_painted_on_a_layer_that_was_left_is_noticed(dock, segment):
    first = dock.viewer.add_image(squares(3), name="first")
    segment(dock)
    layer = labels_layers(dock)[0]
    dock.viewer.add_image(squares(1), name="second")
    layer.paint((50, 50), 9)
    dock.header.menu.setCurrentText(first.name)
    assert dock.proofread.sources[9] == "hand"


def test_uint8_labels_of_napari_are_corrected_in_a_copy(dock):
    dock.viewer.add_image(squares())
    dock.viewer.add_labels(np.ones((60, 60), np.uint8), name="mine")
    dock.keeper.choose(0)
    assert dock.keeper.layer.data.dtype == np.int32
    assert "uint8" in dock.footer.line.text()
    assert dock.proofread.n_cells == 1


def test_rows_and_cells_select_each_other(dock, segment, qtbot):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.results.open_table()
    table = dock.results.table
    table.view.selectRow(1)
    assert labels_layers(dock)[0].selected_label == 2
    assert dock.viewer.scene.camera.center[1:] == pytest.approx((13.5, 26.5))
    labels_layers(dock)[0].selected_label = 3
    rows = table.view.selectionModel().selectedRows()
    assert [table.sorted.mapToSource(index).row() for index in rows] == [2]


def test_the_table_sorts_filters_and_follows_edits(dock, segment):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.results.open_table()
    table = dock.results.table
    dock.proofread.delete_cells([2])
    assert table.model.rowCount() == 2
    labels_layers(dock)[0].undo()
    assert table.model.rowCount() == 3
    table.filter.setText("hand")
    assert table.sorted.rowCount() == 0
    assert table.count.text() == "0 of 3"


def test_the_csv_is_written(dock, segment, qtbot, tmp_path):
    dock.viewer.add_image(squares(), scale=(0.5, 0.5), units=("um", "um"), name="=a")
    segment(dock)
    dock.results.write_csv(tmp_path / "cells.csv")
    wait_idle(qtbot, dock)
    assert "Saved" in dock.footer.line.text()
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == 4
    assert "f" * 64 in (tmp_path / "cells.json").read_text()


def test_a_folder_that_is_missing_is_said_in_the_dock(dock, segment, qtbot, tmp_path):
    dock.viewer.add_image(squares())
    segment(dock)
    dock.results.write_csv(tmp_path / "nowhere" / "cells.csv")
    wait_idle(qtbot, dock)
    assert "nowhere" in dock.footer.line.text()


def test_a_dock_that_is_closed_lets_everything_go(make_dock, segment, qtbot):
    dock = make_dock()
    dock.viewer.add_image(squares())
    segment(dock)
    layer = labels_layers(dock)[0]
    viewer = dock.viewer
    viewer.window.remove_dock_widget(dock)
    assert "undo" not in vars(layer)
    assert not any(str(key) == "D" for key in layer.keymap)
    assert not any(str(key) == "S" for key in viewer.keymap)


def test_two_docks_on_one_viewer_do_not_disturb_each_other(make_dock, segment):
    first = make_dock()
    first.viewer.add_image(squares())
    segment(first)
    from tests.fakes import FakeEngine

    from napari_cellseg.widgets.main import CellSegmentationWidget

    second = CellSegmentationWidget(first.viewer, FakeEngine())
    assert second.proofread.labels is None
    first.proofread.delete_cells([1])
    second.release()
    second.deleteLater()
    labels_layers(first)[0].undo()
    assert first.proofread.n_cells == 3


def docked(viewer, engine):
    """Return a dock that nobody releases but its window."""
    from napari_cellseg.widgets.main import CellSegmentationWidget

    dock = CellSegmentationWidget(viewer, engine)
    viewer.window.add_dock_widget(dock, name="Cell segmentation")
    return dock


def test_a_dock_that_is_opened_again_goes_on_with_the_cells(
    make_napari_viewer, engine, segment, qtbot
):
    viewer = make_napari_viewer()
    first = docked(viewer, engine)
    viewer.add_image(squares())
    segment(first)
    first.proofread.delete_cells([1])
    viewer.window.remove_dock_widget(first)
    second = docked(viewer, engine)
    wait_idle(qtbot, second)
    assert second.proofread.n_cells == 2
    assert second.keeper.layer is labels_layers(second)[0]
    second.proofread.undo()
    assert second.proofread.n_cells == 3
    assert second.keeper.layer.data.max() == 3
    second.release()


def test_a_closed_dock_takes_its_marks_along(
    make_napari_viewer, engine, segment, qtbot
):
    viewer = make_napari_viewer()
    first = docked(viewer, engine)
    viewer.add_image(squares())
    segment(first)
    first.proofread.set_class([1], "mitotic")
    first.proofread.check_area(np.array([[0, 0], [0, 30], [30, 30]]), ())
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    viewer.window.remove_dock_widget(first)
    assert len(viewer.layers) == 2
    second = docked(viewer, engine)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4)
    assert {"classes", "checked areas"} < {layer.name for layer in viewer.layers}
    second.release()


def test_a_closed_dock_keeps_no_array_of_layers_that_are_gone(
    make_napari_viewer, engine, segment, qtbot
):
    viewer = make_napari_viewer()
    dock = docked(viewer, engine)
    viewer.add_image(squares())
    segment(dock)
    viewer.window.remove_dock_widget(dock)
    viewer.layers.clear()
    qtbot.wait(100)
    gc.collect()
    kept = [one for one in gc.get_objects() if isinstance(one, CellImage | CellLabels)]
    assert kept == []


def test_errors_that_the_engine_raises_early_stand_in_the_dock(
    make_napari_viewer, engine, monkeypatch
):
    from napari_cellseg.widgets.main import CellSegmentationWidget

    def fail():
        raise SegmentationError("No model folder.")

    monkeypatch.setattr(engine, "list_models", fail)
    dock = CellSegmentationWidget(make_napari_viewer(), engine)
    assert "No model" in dock.footer.line.text() + dock.segment.why_not()
    dock.release()
    dock.deleteLater()


def test_an_empty_dock_offers_a_sample(dock, qtbot):
    assert not dock.opener.buttons.isHidden()
    dock.opener.sample_button.click()
    wait_idle(qtbot, dock)
    assert dock.session.image.name == "sample nuclei"
    assert dock.opener.buttons.isHidden()


def test_a_file_that_cannot_be_read_is_said_in_the_dock(dock, qtbot, tmp_path):
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\0 nothing")
    dock.opener.open([str(path)])
    wait_idle(qtbot, dock)
    assert "broken.tif" in dock.footer.line.text()


def test_the_menu_opens_a_second_image(dock, qtbot, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", squares())
    dock.viewer.add_image(squares())
    assert dock.opener.buttons.isHidden()
    answer = ([str(tmp_path / "a.tif")], "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_a, **_k: answer)
    dock.link.bar.menu.aboutToShow.emit()
    titles = {action.text(): action for action in dock.link.bar.menu.actions()}
    titles["Open image…"].trigger()
    wait_idle(qtbot, dock)
    assert dock.session.image.name == "a.tif"


def test_an_ome_zarr_is_opened_by_a_file_in_its_folder(
    dock, qtbot, tmp_path, monkeypatch
):
    write_zarr(tmp_path / "cells.zarr", squares(), "yx", [0.5, 0.5])
    asked = []
    inside = next(one for one in (tmp_path / "cells.zarr").iterdir() if one.is_file())

    def choose(*arguments):
        asked.extend(arguments)
        return [str(inside)], ""

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", choose)
    dock.opener.open_button.click()
    wait_idle(qtbot, dock)
    assert inside.name in asked[-1].split(";;")[0]
    assert dock.session.image.name == "cells.zarr"


def test_files_that_are_dropped_one_after_the_other_all_open(dock, qtbot, tmp_path):
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.tif", squares())
        dock.opener.open([str(tmp_path / f"{name}.tif")])
    wait_idle(qtbot, dock)
    assert [layer.name for layer in dock.viewer.layers] == ["a.tif", "b.tif"]


def test_files_beside_one_that_cannot_be_read_are_opened(dock, qtbot, tmp_path):
    torn = [tmp_path / "torn.tif", tmp_path / "rent.tif"]
    for path in torn:
        path.write_bytes(b"II*\0 nothing")
    tifffile.imwrite(tmp_path / "whole.tif", squares())
    dock.opener.open([str(torn[0]), str(tmp_path / "whole.tif"), str(torn[1])])
    wait_idle(qtbot, dock)
    assert dock.session.image.name == "whole.tif"
    assert "torn.tif" in dock.footer.line.text()
    assert "1 more could not be opened" in dock.footer.line.text()


def test_an_error_of_our_reader_in_napari_is_repeated_in_the_dock(dock):
    from napari.utils.notifications import ErrorNotification, notification_manager

    outer = ValueError("the plugin failed")
    outer.__cause__ = SegmentationError("The file is torn.")
    notification_manager.dispatch(ErrorNotification(outer))
    notification_manager.records.clear()
    assert "The file is torn." in dock.footer.line.text()


def test_thresholds_go_back_to_what_the_model_says(dock, segment, qtbot):
    dock.viewer.add_image(squares())
    segment(dock)
    assert dock.segment_tab.fine_button.text() == "Fine-tune the result"
    dock.segment_tab.foreground.setValue(0.3)
    dock.segment_tab.min_area.setValue(40)
    wait_idle(qtbot, dock)
    dock.viewer.add_image(squares(2))
    assert dock.segment.options.min_area_px == 40
    assert dock.segment_tab.fine_button.text() == "Fine-tune the result · changed"
    dock.segment_tab.reset_button.click()
    wait_idle(qtbot, dock)
    assert dock.segment.options.foreground_threshold is None
    assert dock.segment_tab.foreground.value() == 0.5
    assert dock.segment_tab.fine_button.text() == "Fine-tune the result"


def test_the_image_that_is_chosen_comes_into_sight_with_its_cells(dock, segment):
    for n in (1, 2):
        dock.viewer.add_image(squares(n), name=f"image {n}")
        segment(dock)
    dock.viewer.add_image(squares(), name="mixed", blending="additive")

    dock.header.menu.setCurrentIndex(0)
    assert shown(dock) == ["image 1", "image 1 cells", "mixed"]

    dock.header.menu.setCurrentIndex(1)
    assert shown(dock) == ["image 2", "image 2 cells", "mixed"]


def test_nothing_is_opened_any_more_once_labels_are_there(dock, qtbot, tmp_path):
    dock.viewer.add_image(squares())
    tifffile.imwrite(tmp_path / "a_labels.tif", squares())
    dock.opener.open([str(tmp_path / "a_labels.tif")])
    wait_idle(qtbot, dock)
    assert len(dock.viewer.layers) == 2
    assert dock.footer.line.text() == ""


def test_channels_of_the_image_before_do_not_shine_through_the_next(
    dock, qtbot, tmp_path
):
    two_channels = np.stack([squares(), squares(2)])
    tifffile.imwrite(tmp_path / "two.ome.tif", two_channels, metadata={"axes": "CYX"})
    tifffile.imwrite(tmp_path / "next.tif", squares())
    for name in ("two.ome.tif", "next.tif"):
        dock.opener.open([str(tmp_path / name)])
        wait_idle(qtbot, dock)
    assert len(dock.viewer.layers) == 3
    assert shown(dock) == ["next.tif"]


def test_only_what_was_done_to_the_cells_is_counted(dock, segment, qtbot):
    dock.viewer.add_image(squares(3))
    segment(dock)
    assert dock.correct_tab.counts.text() == "<b>3</b> cells"
    dock.proofread.delete_cells([1])
    dock.proofread.delete_cells([2])
    qtbot.waitUntil(
        lambda: dock.correct_tab.counts.text() == "<b>1</b> cell · 2 deleted"
    )


def shown(dock):
    """Return the names of the layers that are visible."""
    return sorted(layer.name for layer in dock.viewer.layers if layer.visible)


def test_an_image_that_is_opened_is_seen_alone_and_as_large_as_the_view(
    dock, qtbot, tmp_path
):
    dock.viewer.add_image(squares(shape=(600, 600)), name="large")
    tifffile.imwrite(tmp_path / "small.tif", squares())
    dock.opener.open([str(tmp_path / "small.tif")])
    wait_idle(qtbot, dock)
    assert shown(dock) == ["small.tif"]
    opened_zoom = dock.viewer.scene.camera.zoom

    dock.header.menu.setCurrentIndex(0)
    assert shown(dock) == ["large"]
    assert dock.viewer.scene.camera.zoom == pytest.approx(opened_zoom / 10, rel=0.02)


def test_the_view_stays_where_the_next_image_is_as_large(dock):
    for n in (1, 2):
        dock.viewer.add_image(squares(n), name=f"image {n}")
    dock.viewer.scene.camera.zoom = 7.0
    dock.header.menu.setCurrentIndex(0)
    assert dock.viewer.scene.camera.zoom == 7.0


def test_dim_nuclei_are_opened_bright(dock, qtbot, tmp_path):
    tifffile.imwrite(tmp_path / "dim.tif", squares() // 10)
    dock.opener.open([str(tmp_path / "dim.tif")])
    wait_idle(qtbot, dock)
    assert dock.viewer.layers[0].contrast_limits == [0, 20]
    assert dock.viewer.layers[0].contrast_limits_range == [0, 255]


def test_a_folder_is_opened_from_the_menu(dock, qtbot, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", squares())
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *_a, **_k: str(tmp_path)
    )
    dock.opener.folder_action.trigger()
    wait_idle(qtbot, dock)
    assert dock.session.image.name == "a.tif"


def test_no_diameter_is_shown_before_one_is_found_or_set(dock):
    dock.viewer.add_image(squares())
    tab = dock.segment_tab
    assert tab.diameter.isHidden()
    tab.diameter_auto.setChecked(False)
    assert not tab.diameter.isHidden()


def test_enter_sets_the_pixel_size(dock, qtbot):
    dock.viewer.add_image(squares())
    dock.header.edit_button.setChecked(True)
    dock.header.pixel_size_field.selectAll()
    qtbot.keyClicks(dock.header.pixel_size_field, "0.25")
    qtbot.keyClick(dock.header.pixel_size_field, Qt.Key.Key_Return)
    assert dock.session.pixel_size.x_um == 0.25
    assert dock.header.pixel_size_row.isHidden()


def test_the_outlines_of_new_cells_are_found_once(dock, segment, monkeypatch):
    found = []

    def counted(*given):
        found.append(given)
        return contours(*given)

    monkeypatch.setattr(part_shown, "contours", counted)
    dock.viewer.add_image(squares())
    segment(dock)
    assert dock.keeper.layer.visible
    assert len(found) == 1
