"""Choosing where models run: only what is needed shows, nothing is guessed."""

import numpy as np
import pytest
from tests.fakes import FakeEngine, NowStarter

from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.segmenting.segment import SegmentController
from napari_cellseg.controllers.session import Session
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.run_place import RunPlace
from napari_cellseg.core.types import CellImage
from napari_cellseg.widgets.segmenting.place import (
    AT_ENDPOINT,
    AT_HERE,
    AT_SERVER,
    PlaceRow,
)


class Endpoints:
    """Remembers which endpoints were used."""

    def __init__(self):
        self.used = []

    def note_used(self, account, name):
        self.used.append((account.profile, account.region, name))


@pytest.fixture
def row(qtbot):
    tasks = tuple(TaskController(NowStarter()) for _ in range(4))
    segment = SegmentController(Session(), FakeEngine(), ProofreadController(), tasks)
    segment.load_models()
    made = PlaceRow(segment)
    # What knows of endpoints would ask AWS for their prices.
    made.cloud = Endpoints()
    qtbot.addWidget(made)
    made.show()
    return made


def choose(row, index):
    row.menu.setCurrentIndex(index)
    row.menu.activated.emit(index)


def test_only_the_fields_of_what_is_chosen_show(row):
    assert not row.server.isVisible()
    assert not row.endpoint.isVisible()
    choose(row, AT_SERVER)
    assert row.server.isVisible()
    assert row.test_button.isVisible()
    choose(row, AT_ENDPOINT)
    assert row.endpoint.isVisible()
    assert not row.server.isVisible()
    choose(row, AT_HERE)
    assert not row.test_button.isVisible()


def test_profiles_regions_and_endpoints_are_offered_by_name(row):
    choose(row, AT_ENDPOINT)
    fields = row.endpoint
    assert [fields.profile.itemText(i) for i in range(3)][1:] == ["core", "lab"]
    fields.profile.setCurrentText("lab")
    fields.region.setCurrentText("eu-central-1")
    fields.list_button.click()
    assert fields.name.itemText(0) == "cells-lab"
    assert fields.place() == RunPlace(
        endpoint="cells-lab", profile="lab", region="eu-central-1"
    )


def test_a_test_tells_and_a_connection_folds_the_fields(row):
    choose(row, AT_ENDPOINT)
    row.endpoint.name.setCurrentText("my-cells")
    row.test_button.click()
    assert "at the endpoint 'my-cells'" in row.report.text()
    assert "Costs about $1 an hour." in row.report.text()
    assert row._place.current.is_here
    row.connect_button.click()
    assert row._place.current == RunPlace(endpoint="my-cells")
    assert not row.endpoint.isVisible()
    assert row.cloud.used == [("", "", "my-cells")]
    assert "Costs" not in row.report.text()  # it stands among what runs
    assert row.compare_button.isVisible()
    choose(row, AT_HERE)
    assert row._place.current.is_here
    assert not row.compare_button.isVisible()


def type_over(qtbot, field, text):
    """Replace what stands in a field, key by key."""
    field.selectAll()
    qtbot.keyClicks(field, text)


def test_a_token_goes_to_its_own_server_alone(row, qtbot):
    choose(row, AT_SERVER)
    fields = row.server
    type_over(qtbot, fields.address, "lab-gpu:8080")
    type_over(qtbot, fields.token, "open sesame")
    assert fields.place() == RunPlace("http://lab-gpu:8080", "open sesame")

    for other in ("evil:8080", "lab-gpu:9090", "https://lab-gpu:8080"):
        type_over(qtbot, fields.address, other)
        assert fields.place().token == ""
        assert fields.token.text() == ""

    type_over(qtbot, fields.address, "lab-gpu:8080/cells")
    assert fields.place().token == "open sesame"


def test_a_token_that_is_typed_first_waits_for_the_address(row, qtbot):
    choose(row, AT_SERVER)
    fields = row.server
    type_over(qtbot, fields.token, "open sesame")
    type_over(qtbot, fields.address, "lab-gpu:8080")
    assert fields.place().token == "open sesame"
    type_over(qtbot, fields.address, "other:8080")
    assert fields.place().token == ""


def test_what_is_missing_is_said(row):
    choose(row, AT_ENDPOINT)
    row.connect_button.click()
    assert "name of an endpoint" in row.report.text()
    choose(row, AT_SERVER)
    row.connect_button.click()
    assert "address of the server" in row.report.text()
    assert row._place.current.is_here


def test_a_comparison_needs_an_image(row):
    choose(row, AT_SERVER)
    row.server.address.setText("lab:8080")
    row.connect_button.click()
    assert row._place.current.address == "http://lab:8080"
    assert not row.compare_button.isEnabled()
    row._segment.session.show_image(CellImage(np.zeros((1, 40, 40), np.uint8)))
    assert row.compare_button.isEnabled()
    row.compare_button.click()
    assert "The same" in row.report.text()


def test_a_server_that_is_off_changes_nothing_and_keeps_what_was_typed(row):
    choose(row, AT_SERVER)
    row.server.address.setText("http://off")
    row.connect_button.click()
    assert row._place.current.is_here
    assert row.server.isVisible()
    assert "cannot be reached" in row._segment.place_task.failure.message


def test_until_it_is_connected_the_place_before_is_named(row):
    choose(row, AT_SERVER)
    assert "Until you connect, this computer segments" in row.report.text()
    assert not row.compare_button.isVisible()
