"""A training at AWS from the dock: filled in, followed, its model in the menu."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from qtpy.QtCore import Qt

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from aws_stand_in import BUCKET, GPU, PLACE, REGION, aws_stand_in, make_bucket
from napari_cellseg.cloud.account import costs
from napari_cellseg.cloud.sagemaker import training
from napari_cellseg.io.s3 import cache
from napari_cellseg.widgets.main import CellSegmentationWidget
from napari_cellseg.widgets.segmenting.place import AT_ENDPOINT
from training_platform import folder_of_two, little, training_platform


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_model_trained_at_aws_lands_in_the_menu_of_the_dock(
    make_napari_viewer: Any,
    qtbot: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CELLSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(costs, "own_prices_path", lambda: tmp_path / "prices.toml")
    monkeypatch.setattr(training, "time", SimpleNamespace(sleep=little))
    viewer = make_napari_viewer()
    dock = CellSegmentationWidget(viewer)
    viewer.window.add_dock_widget(dock)
    try:
        with aws_stand_in() as sender:
            url = sender.settings.aws.endpoint_url
            monkeypatch.setenv("CELLSEG_AWS_ENDPOINT_URL", url)
            make_bucket(sender)
            seen = train(dock, qtbot, folder_of_two(tmp_path / "checked"), tmp_path)
        names = [spec.name for spec in dock.segment.models]
    finally:
        dock.release()
    assert "Training at AWS: Training:" in " ".join(seen)
    assert "mine" in names


def train(dock: Any, qtbot: Any, data: Path, root: Path) -> list[str]:
    """Fill the window in and wait; return what it said meanwhile."""
    place = dock.segment_tab.place
    place.menu.setCurrentIndex(AT_ENDPOINT)
    place.menu.activated.emit(AT_ENDPOINT)
    qtbot.mouseClick(place.account_button, Qt.MouseButton.LeftButton)
    window = place.account
    for field, text in (
        (window.region, REGION),
        (window.image, PLACE.image),
        (window.role, PLACE.role),
        (window.bucket, BUCKET),
        (window.training.data, str(data)),
        (window.training.name, "mine"),
        (window.training.computer, GPU),
    ):
        field.setText(text)
    window.pages.setCurrentWidget(window.training)
    seen: list[str] = []
    window._cloud.changed.connect(lambda: seen.append(window.report.text()))
    quick = {"steps": "4", "batch_size": "2", "crop_px": "64"}
    with training_platform(
        window._cloud._open(window.account()), root / "opt", **quick
    ):
        qtbot.mouseClick(window.training.button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: not window._cloud.task.is_running, timeout=1_200_000)
    assert "mine&#x27; is in the model menu of this computer" in window.report.text()
    assert window.deploying.model.currentText() == "mine"
    assert [point.step for point in window._cloud.curve] == [1, 2, 3, 4]
    assert window.training.form.isVisibleTo(window)
    return seen
