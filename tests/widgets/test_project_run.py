"""*Project > Segment all images*: cells of every image land in the project."""

import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.project.store import open_project


@pytest.fixture
def project(dock, qtbot, tmp_path):
    """A dock with a project of three images; the first is shown, none has cells."""
    paths = []
    for name, n in (("one", 3), ("three", 1), ("two", 2)):
        paths.append(tmp_path / f"{name}.tif")
        tifffile.imwrite(paths[-1], squares(n))
    dock.opener.open([str(paths[0])])
    wait_idle(qtbot, dock)
    dock.link.create(str(tmp_path / "work"))
    dock.projects.add_images(paths[1:])
    return dock


def segment_all(dock, qtbot, title="Segment all images"):
    dock.link.bar.menu.aboutToShow.emit()
    actions = dock.link.bar.menu.actions()
    next(one for one in actions if one.text().startswith(title)).trigger()
    qtbot.waitUntil(lambda: not dock.whole.run.task.is_running, timeout=30_000)
    wait_idle(qtbot, dock)


def kept(tmp_path):
    """Return how many cells the project on the disk has of each image."""
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        return {
            one.name: len(reader.open_labels(one.image_id).sources)
            for one in reader.images()
            if one.has_labels
        }


def test_all_images_get_cells_and_the_shown_one_shows_them(project, qtbot, tmp_path):
    segment_all(project, qtbot)
    assert "3 images segmented." in project.footer.line.text()
    assert project.proofread.n_cells == 3
    assert project.keeper.layer in project.viewer.layers
    project.release()
    assert kept(tmp_path) == {"one.tif": 3, "three.tif": 1, "two.tif": 2}


def test_cells_of_open_images_that_are_hidden_do_not_cover_the_shown_one(
    project, qtbot, tmp_path
):
    project.opener.open([str(tmp_path / "three.tif")])
    wait_idle(qtbot, project)
    project.header.menu.setCurrentIndex(0)
    segment_all(project, qtbot)
    seen = [layer.name for layer in project.viewer.layers if layer.visible]
    assert seen == ["one.tif", "one.tif cells"]
    assert "three.tif cells" in project.viewer.layers
    assert project.viewer.layers.selection.active is project.keeper.layer
    project.header.menu.setCurrentIndex(1)
    seen = [layer.name for layer in project.viewer.layers if layer.visible]
    assert seen == ["three.tif", "three.tif cells"]


def test_work_by_hand_stays_on_the_shown_image_and_on_others(
    project, segment, qtbot, tmp_path
):
    segment(project)
    project.proofread.delete_cells([2])
    project.link.show_image(2)
    wait_idle(qtbot, project)
    segment(project)
    project.proofread.delete_cells([1])
    segment_all(project, qtbot)
    project.release()
    assert kept(tmp_path) == {"one.tif": 2, "three.tif": 1, "two.tif": 1}


def test_only_images_without_cells_are_segmented_if_wanted(
    project, segment, qtbot, engine
):
    segment(project)
    n_before = engine.segmenter.n_runs
    segment_all(project, qtbot, "Segment the 2 without cells")
    assert engine.segmenter.n_runs == n_before + 2


def test_an_image_that_cannot_be_read_stops_no_other(project, qtbot, tmp_path):
    (tmp_path / "three.tif").write_bytes(b"II*\0 nothing")
    segment_all(project, qtbot)
    assert "2 images segmented. 1 failed" in project.footer.line.text()
    assert "three.tif" in project.footer.line.text()
    project.release()
    assert kept(tmp_path) == {"one.tif": 3, "two.tif": 2}


def test_every_image_that_failed_can_be_copied(project, qtbot, tmp_path):
    for name in ("three.tif", "two.tif"):
        (tmp_path / name).write_bytes(b"II*\0 nothing")
    segment_all(project, qtbot)
    project.footer.copy_button.click()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert [
        line.count(name) for line, name in zip(copied, ("three", "two"), strict=True)
    ] == [1, 1]


def test_another_project_stops_the_run(project, qtbot, tmp_path):
    project.link.bar.segment_wanted.emit(True)
    project.link.close()
    qtbot.waitUntil(lambda: not project.whole.run.task.is_running, timeout=30_000)
    assert "Stopped" in project.footer.line.text()
    assert kept(tmp_path) == {}


def test_cancel_stops_before_the_next_image(project, qtbot, tmp_path):
    project.link.bar.segment_wanted.emit(True)
    assert not project.whole.progress.isHidden()
    qtbot.mouseClick(project.whole.progress.button, Qt.MouseButton.LeftButton)
    wait_idle(qtbot, project)
    assert project.whole.progress.isHidden()
    assert "Stopped" in project.footer.line.text()
    project.release()
    assert kept(tmp_path) == {}


def test_the_menu_says_how_many_images_have_cells_already(project, segment, qtbot):
    bar = project.link.bar

    def titles():
        bar.menu.aboutToShow.emit()
        return [one.text() for one in bar.menu.actions() if "Segment" in one.text()]

    assert titles() == ["Segment all images"]
    segment(project)
    assert titles() == [
        "Segment all images, 1 of them again", "Segment the 2 without cells"
    ]  # fmt: skip
    segment_all(project, qtbot)
    assert titles() == ["Segment all images again"]


def test_a_run_on_another_image_finds_its_layer_after_the_whole_project(
    project, qtbot, engine
):
    layer = project.viewer.add_image(squares(2), name="not from a file")
    wait_idle(qtbot, project)
    image = project.session.image
    project.runs.begin(layer, None)
    result = run(engine.segmenter.segment(image, SegmentOptions()))
    segment_all(project, qtbot)
    project.link.show_image(0)
    wait_idle(qtbot, project)
    project.segment.take(image, result, lambda job, take: take(run(job)))
    assert project.keeper.layer_of_image(layer) is not None
