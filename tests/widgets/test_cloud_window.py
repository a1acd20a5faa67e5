"""The window "AWS": what is clicked is done, what is done is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtGui import QGuiApplication
from tests.fakes import NowStarter

from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.sagemaker.inventory import ENDPOINT, Running
from napari_cellseg.cloud.settings import CloudSettings
from napari_cellseg.controllers.aws import cloud as controllers
from napari_cellseg.controllers.aws import cloud_jobs, cloud_log, cloud_used
from napari_cellseg.controllers.aws.cloud import CloudController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.jobs import run
from napari_cellseg.core.run_place import RunPlace
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.io import used_endpoints
from napari_cellseg.widgets.aws import cloud_window
from napari_cellseg.widgets.aws.cloud_window import CloudWindow
from napari_cellseg.widgets.aws.price_window import PriceWindow
from napari_cellseg.widgets.closing import left_endpoints
from napari_cellseg.widgets.closing.left_endpoints import (
    LEAVE,
    STAY,
    STOP,
    LeftEndpoints,
)
from napari_cellseg.widgets.segmenting.place import ASK_MINUTES, AT_ENDPOINT, PlaceRow

SINCE = datetime.now(UTC) - timedelta(hours=2)
PLATES = Running(ENDPOINT, "plates", "InService", SINCE, "ml.g5.xlarge", 1, "real-time")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CloudController:
    monkeypatch.setattr(used_endpoints, "used_file", lambda: tmp_path / "used.json")
    monkeypatch.setattr(costs, "own_prices_path", lambda: tmp_path / "prices.toml")
    monkeypatch.setattr(cloud_jobs, "running", lambda *_: iter([PLATES]))
    sender = MagicMock(settings=CloudSettings())

    def at_once(job: Any, listener: Any) -> Any:
        listener.on_job_result(run(job))
        return MagicMock()

    return CloudController(TaskController(at_once), lambda _: sender)


@pytest.fixture
def window(qtbot: Any, cloud: CloudController) -> CloudWindow:
    made = CloudWindow(cloud)
    qtbot.addWidget(made)
    return made


def test_what_runs_is_shown_with_its_cost(window: CloudWindow) -> None:
    assert window.total.text() == "Not asked yet; press Show what runs."
    assert not window.stop_button.isEnabled()
    assert window.running.isHidden()
    window.list_button.click()
    assert not window.running.isHidden()
    text = window.running.item(0).text()
    assert "endpoint plates (real-time, 1 × ml.g5.xlarge, InService)" in text
    assert re.search(r"\(2\.\d h\), about \$1\.41 an hour, \$\d\.\d\d so far", text)
    assert "In all about $1.41 an hour" in window.total.text()


def test_what_is_chosen_is_stopped(
    window: CloudWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []

    def stop(name: str, _sender: Any) -> Any:
        stopped.append(name)
        yield from ()
        return ["delete the endpoint 'plates'"]

    monkeypatch.setattr(cloud_jobs, "stop", stop)
    window.list_button.click()
    window.running.setCurrentRow(0)
    assert "'plates'" in window.stop_button.toolTip()
    window.stop_button.click()
    assert stopped == ["plates"]
    assert "Done: delete the endpoint" in window.report.text()


def test_what_is_over_its_time_is_stopped_while_the_window_is_open(
    window: CloudWindow, cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(cloud, "stop_overdue", lambda: asked.append(True))
    assert window._clock.isActive()
    window._clock.timeout.emit()
    assert asked == []
    window.show()
    window._clock.timeout.emit()
    assert asked == [True]
    window.overdue.setChecked(False)
    window._clock.timeout.emit()
    assert asked == [True]
    assert "CELLSEG_AWS_SCHEDULER_ROLE" in window.overdue.toolTip()


def test_the_price_follows_what_is_wished(window: CloudWindow) -> None:
    assert window.deploying.price.text().startswith("About $1.41 an hour")
    window.deploying.mode.setCurrentIndex(1)
    assert window.deploying.price.text() == "Costs only while it works."
    window.deploying.mode.setCurrentIndex(0)
    window.deploying.computer.setText("ml.unknown.large")
    assert "no price is known" in window.deploying.price.text().lower()
    window.deploying.computer.setText("my laptop")
    assert "instance_type is 'my laptop'" in window.deploying.price.text()


def test_prices_are_corrected_in_a_window(qtbot: Any, window: CloudWindow) -> None:
    window.deploying.computer.setText("ml.p5.48xlarge")
    assert "no price is known" in window.deploying.price.text().lower()
    window.prices_button.click()
    (prices,) = window.findChildren(PriceWindow)
    rows = [name for name, _ in prices.rows()]
    prices.table.item(rows.index("ml.p5.48xlarge"), 1).setText("dear")
    prices.save_button.click()
    assert "is 'dear'" in prices.state.text()
    prices.table.item(rows.index("ml.p5.48xlarge"), 1).setText("98,3")
    prices.save_button.click()
    assert not prices.isVisible()
    assert window.deploying.price.text().startswith("About $98.30 an hour")
    window.prices_button.click()
    again = window.findChildren(PriceWindow)[-1]
    assert ("ml.p5.48xlarge", "98.3") in again.rows()
    again.shipped_button.click()
    assert "no price is known" in window.deploying.price.text().lower()
    again.close()


def test_a_log_is_followed_in_a_window_and_copied(
    window: CloudWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [(["begun\n"], None), (["step 1", "step 2"], None)]
    script = MagicMock()
    script.end.side_effect = lambda: looks[0][1]
    script.new_lines.side_effect = lambda: looks.pop(0)[0]
    monkeypatch.setattr(cloud_log, "all_logs", lambda *_: [script])
    monkeypatch.setattr(cloud_log, "EndWatch", lambda *_: script)
    monkeypatch.setattr(cloud_window, "start_job", NowStarter())
    window.list_button.click()
    window.running.setCurrentRow(0)
    window.log_button.click()
    log = window.log_window
    assert log is not None
    assert log.windowTitle() == "Log of plates"
    assert log.text.toPlainText() == "begun"
    log._clock.timeout.emit()
    assert log.text.toPlainText() == "begun\nstep 1\nstep 2"
    log.copy_button.click()
    assert QGuiApplication.clipboard().text() == "begun\nstep 1\nstep 2"
    # Asked for again it goes on where it is.
    window.log_button.click()
    assert log.text.toPlainText().startswith("begun\nstep 1")
    log.close()
    assert not log._clock.isActive()
    assert not log.stop_button.isEnabled()


def test_what_is_missing_is_said(
    window: CloudWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CELLSEG_AWS_IMAGE", raising=False)
    window.deploying.button.click()
    assert "No image and no role and no bucket are given" in window.report.text()


@pytest.mark.parametrize("is_wanted", [True, False])
def test_what_will_be_made_is_shown_before_it_is_made(
    window: CloudWindow, monkeypatch: pytest.MonkeyPatch, is_wanted: bool
) -> None:
    from qtpy.QtWidgets import QMessageBox

    made: list[Any] = []
    monkeypatch.setattr(window._cloud, "deploy", lambda *given: made.append(given))
    window.image.setText("i")
    window.role.setText("arn:aws:iam::123456789012:role/cellseg")
    window.bucket.setText("lab-cells")
    told: list[str] = []

    def press(box: QMessageBox) -> None:
        told.extend((box.text(), box.informativeText(), box.detailedText()))
        word = "Make it" if is_wanted else "Not now"
        next(one for one in box.buttons() if one.text() == word).click()

    monkeypatch.setattr(QMessageBox, "exec", press)
    window.deploying.button.click()
    assert "as an endpoint (real-time, ml.g5.xlarge).\nAbout $1.41 an hour" in told[0]
    assert "• make the endpoint 'cellseg'" in told[1]
    assert '"operation": "CreateEndpointConfig"' in told[2]
    assert len(made) == is_wanted


def test_a_training_is_wished_for_as_it_is_filled_in(
    window: CloudWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(window._cloud, "train", lambda *given: asked.append(given))
    fields = window.training
    fields.data.setText("s3://b/set/")
    fields.name.setText("mine")
    fields.spot.setChecked(True)
    fields.button.click()
    _, wish, _, options, machine = asked[0]
    assert (wish.data, wish.name, wish.is_here) == ("s3://b/set/", "mine", False)
    assert options.preset == "quick"
    assert machine.spot is True
    assert fields.price.text() == "At most $8.46, less on spot."
    fields.computer.setText("my laptop")
    assert "instance_type is 'my laptop'" in fields.price.text()


def test_the_curve_stands_where_the_training_was_filled_in(
    window: CloudWindow, cloud: CloudController
) -> None:
    fields = window.training
    window.pages.setCurrentWidget(fields)
    cloud.curve = [CurvePoint(1, 0.9, None), CurvePoint(2, 0.8, 0.5)]
    cloud.task.state, cloud.task.name = "running", controllers.TRAINING
    window.refresh()
    assert fields.curve.isVisibleTo(window)
    assert not fields.form.isVisibleTo(window)
    assert window.minimumSizeHint().height() <= 740
    cloud.task.state = "done"
    window.refresh()
    assert fields.form.isVisibleTo(window)
    assert not fields.curve.isVisibleTo(window)


def test_a_model_that_arrived_is_ready_to_be_deployed(
    window: CloudWindow, cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "models", lambda: ["cells-general", "mine", "other"])
    cloud.model_arrived.emit("mine")
    assert window.deploying.model.currentText() == "mine"
    assert window.training.model.findText("mine") >= 0
    # One that was made elsewhere meanwhile is offered when the window is shown again.
    monkeypatch.setattr(cloud, "models", lambda: ["cells-general", "mine", "newest"])
    window.show()
    assert window.deploying.model.findText("newest") >= 0
    assert window.deploying.model.currentText() == "mine"


def test_the_window_fits_a_small_screen(window: CloudWindow) -> None:
    assert window.minimumSizeHint().width() <= 700
    assert window.minimumSizeHint().height() <= 740


def test_a_long_report_scrolls(window: CloudWindow, cloud: CloudController) -> None:
    before = window.minimumSizeHint().height()
    cloud.lines = ("✗ role cellseg: cannot be reached", "    → make one") * 20
    window.refresh()
    window.show()
    assert window.minimumSizeHint().height() == before
    assert window.height() <= 740


def test_the_dock_opens_it_with_the_account_that_is_chosen(qtbot: Any) -> None:
    row = place_row(qtbot)
    assert not row.account_button.isVisibleTo(row)
    row.menu.setCurrentIndex(AT_ENDPOINT)
    row.menu.activated.emit(AT_ENDPOINT)
    assert row.account_button.isVisibleTo(row)
    row.endpoint.region.setCurrentText("eu-central-1")
    row.account_button.click()
    assert row.account is not None
    assert row.account.isVisible()
    assert row.account.region.text() == "eu-central-1"


def place_row(qtbot: Any) -> PlaceRow:
    segment = MagicMock(device="CPU")
    segment.place.current = RunPlace()
    segment.place.lines = ()
    segment.place.profiles = segment.place.regions = segment.place.endpoints = []
    segment.place_task.is_running = False
    segment.place_task.failure = None
    row = PlaceRow(segment)
    qtbot.addWidget(row)
    return row


def test_what_an_earlier_window_left_stands_in_the_dock_and_is_looked_at(
    qtbot: Any, cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    used_endpoints.remember(used_endpoints.UsedEndpoint("plates", "lab", "eu-west-1"))
    row = place_row(qtbot)
    assert "endpoint plates (lab, eu-west-1): was used" in row.costs.text()
    monkeypatch.setattr(cloud_window, "open_cloud", lambda _: cloud)
    row.account_button.click()
    assert row.account.region.text() == "eu-west-1"
    assert "still running since" in row.costs.text()
    # Whatever is said of the place, that stays.
    row._segment.place.lines = ("Answered in 0.1 s.",)
    row.refresh()
    assert "still running since" in row.costs.text()
    assert row.account_button.isVisibleTo(row)


def test_the_cost_counts_on_and_ends_when_somebody_else_stops_it(
    qtbot: Any, cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_window, "open_cloud", lambda _: cloud)
    row = place_row(qtbot)
    assert not row.costs.isVisibleTo(row)
    hours = 2
    monkeypatch.setattr(
        cloud_used, "now_utc", lambda: SINCE + timedelta(hours=hours, minutes=1)
    )
    row._opened_cloud().note_used(cloud.account, PLATES.name)
    assert "(2.0 h), about $1.41 an hour, $2.8" in row.costs.text()
    hours = 3
    row._clock.timeout.emit()
    assert "(3.0 h), about $1.41 an hour, $4.2" in row.costs.text()
    monkeypatch.setattr(cloud_jobs, "running", lambda *_: iter([]))
    for _ in range(ASK_MINUTES):
        row._clock.timeout.emit()
    assert row.costs.text() == ""
    assert not row._clock.isActive()


@pytest.fixture
def closing(qtbot: Any, cloud: CloudController) -> tuple[LeftEndpoints, list[str], Any]:
    """Return what asks before a window closes over "plates", what it asked, the window."""
    cloud.note_used(cloud.account, PLATES.name)
    asked: list[str] = []
    window = MagicMock()
    window.window.return_value = window
    return LeftEndpoints(lambda: cloud, MagicMock()), asked, window


@pytest.mark.parametrize("answer", [LEAVE, STAY])
def test_closing_over_an_endpoint_tells_what_it_costs(
    closing: tuple[LeftEndpoints, list[str], Any], answer: str
) -> None:
    left, asked, window = closing
    left.ask = lambda _, text: asked.append(text) or answer  # type: ignore[func-returns-value]
    assert left.may_close(window) is (answer == LEAVE)
    assert "endpoint plates" in asked[0]
    assert re.search(r"about \$1\.41 an hour, \$\d\.\d\d so far", asked[0])
    window.close.assert_not_called()


def test_an_endpoint_is_stopped_and_then_the_window_closes(
    closing: tuple[LeftEndpoints, list[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, stopped, window = closing

    def stop(name: str, _sender: Any) -> Any:
        stopped.append(name)
        monkeypatch.setattr(cloud_jobs, "running", lambda *_: iter([]))
        yield from ()
        return [f"delete '{name}'"]

    monkeypatch.setattr(cloud_jobs, "stop", stop)
    left.ask = lambda *_: STOP
    assert not left.may_close(window)
    assert stopped == ["plates"]
    window.close.assert_called_once_with()
    assert left.may_close(window)


def test_without_an_endpoint_nothing_is_asked() -> None:
    left = LeftEndpoints(lambda: None, MagicMock())
    left.ask = lambda *_: pytest.fail("asked")
    assert left.may_close(MagicMock())


def test_the_question_is_answered_by_its_buttons(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtpy.QtWidgets import QMessageBox, QWidget

    parent = QWidget()
    qtbot.addWidget(parent)
    for words, answer in (("Stop it", STOP), ("Leave it", LEAVE), ("Stay", STAY)):

        def press(box: QMessageBox, words: str = words) -> None:
            button = next(one for one in box.buttons() if words in one.text())
            button.click()

        monkeypatch.setattr(QMessageBox, "exec", press)
        assert left_endpoints.ask_person(parent, "endpoint plates") == answer


def test_the_dock_asks_before_napari_closes_over_an_endpoint(
    make_napari_viewer: Any, cloud: CloudController
) -> None:
    from qtpy.QtGui import QCloseEvent

    from napari_cellseg.widgets.main import CellSegmentationWidget

    viewer = make_napari_viewer()
    dock = CellSegmentationWidget(viewer)
    viewer.window.add_dock_widget(dock)
    try:
        dock.segment_tab.place.cloud = cloud
        cloud.note_used(cloud.account, PLATES.name)
        asked: list[str] = []
        dock.guard.endpoints.ask = lambda _, text: asked.append(text) or STAY  # type: ignore[func-returns-value]
        event = QCloseEvent()
        assert dock.guard.eventFilter(dock.window(), event)
        assert "endpoint plates" in asked[0]
    finally:
        dock.release()


def test_a_dock_that_is_gone_hears_of_aws_no_more(
    make_dock: Any, cloud: CloudController, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_window, "open_cloud", lambda _on_model: cloud)
    dock = make_dock()
    place = dock.segment_tab.place
    place.account_button.click()
    place.account.log_button.click()
    dock.viewer.window.remove_dock_widget(dock)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    cloud.changed.emit()
    assert len(cloud.changed) == 0
