"""Stacks with Z in the dock: joined into 3-D cells, with volumes."""

import csv

import numpy as np
from tests.widgets.conftest import squares, wait_idle


def open_stack(dock, n_planes=4):
    layer = dock.viewer.add_image(
        squares(shape=(n_planes, 60, 60)), axis_labels=("z", "y", "x"), name="stack"
    )
    assert dock.session.image.axes == "CZYX"
    return layer


def test_the_row_of_planes_is_there_for_stacks_only(dock):
    tab = dock.segment_tab
    dock.viewer.add_image(squares())
    assert tab.planes.isHidden()
    open_stack(dock)
    assert not tab.planes.isHidden()
    assert tab.planes.isChecked()


def test_a_stack_is_joined_unless_it_is_switched_off(dock, segment):
    open_stack(dock)
    segment(dock)
    assert dock.proofread.n_cells == 3
    assert "3 cells" in dock.footer.line.text()
    dock.segment_tab.planes.setChecked(False)
    assert not dock.segment.options.join_planes
    segment(dock)
    assert dock.proofread.n_cells == 12


def test_volumes_follow_the_distance_of_planes_that_is_set(dock, segment, qtbot):
    open_stack(dock)
    segment(dock)
    header = dock.header
    header.edit_button.setChecked(True)
    assert not header.plane_step_field.isHidden()
    header.pixel_size_field.setValue(0.5)
    header.plane_step_field.setValue(2.0)
    header.pixel_size_button.click()
    wait_idle(qtbot, dock)
    assert dock.viewer.layers["stack"].scale.tolist() == [2.0, 0.5, 0.5]
    assert set(dock.measure.table.cells["volume_um3"]) == {64 * 4 * 0.5}
    assert "volume_um3" in dock.measure.number_columns


def test_an_image_without_planes_has_no_field_for_them(dock):
    dock.viewer.add_image(squares())
    dock.header.edit_button.setChecked(True)
    assert dock.header.plane_step_field.isHidden()


def test_the_export_has_one_row_a_cell_beside_that_of_sections(
    dock, segment, qtbot, tmp_path
):
    open_stack(dock)
    segment(dock)
    dock.results.write_csv(tmp_path / "a_cells.csv")
    wait_idle(qtbot, dock)
    with (tmp_path / "a_cells_3d.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["volume_px"] for row in rows] == ["256"] * 3
    assert [row["n_planes"] for row in rows] == ["4"] * 3
    assert len((tmp_path / "a_cells.csv").read_text().splitlines()) == 13


def test_the_queue_counts_a_cell_of_several_planes_once(dock, segment):
    open_stack(dock)
    segment(dock)
    assert dock.review.n_left == 3
    assert len(np.unique(dock.review.queue)) == 3
