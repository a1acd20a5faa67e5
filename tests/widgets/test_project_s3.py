"""A project whose images lie in S3, in the dock: online, offline, and online again."""

import io
import urllib.request

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from qtpy.QtWidgets import QInputDialog
from tests.moto_server import moto_aws
from tests.widgets.conftest import squares, wait_idle

from napari_cellseg.io.s3 import cache, client, objects
from napari_cellseg.project.store import open_project

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

ADDRESS = "s3://plates/run 7/ä one.tif"


@pytest.fixture(scope="module")
def server():
    with moto_aws() as address:
        yield address


@pytest.fixture(autouse=True)
def bucket(server, tmp_path, monkeypatch):
    """Put two images into S3, and nothing into the cache of this computer."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    objects._seen.clear()
    urllib.request.urlopen(f"{server}/moto-api/reset", data=b"").close()
    client.s3_client().create_bucket(Bucket="plates")
    for name, n in (("ä one.tif", 3), ("two.tif", 2)):
        put(f"run 7/{name}", squares(n))


def put(key, pixels):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels)
    client.s3_client().put_object(Bucket="plates", Key=key, Body=buffer.getvalue())


@pytest.fixture
def worked_on(dock, segment, qtbot, tmp_path):
    """A dock with a project of the first image, segmented."""
    dock.opener.open([ADDRESS])
    wait_idle(qtbot, dock)
    segment(dock)
    dock.link.create(str(tmp_path / "work"))
    return dock


def images(dock):
    return [one for one in dock.viewer.layers if isinstance(one, Image)]


def test_an_image_in_s3_is_worked_on_in_a_project(
    worked_on, make_dock, qtbot, tmp_path
):
    assert "every step is saved" in worked_on.link.bar.status.text()
    worked_on.proofread.delete_cells([2])
    worked_on.release()
    worked_on.viewer.layers.clear()

    again = make_dock()
    again.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, again)

    assert [one.name for one in images(again)] == ["ä one.tif"]
    (layer,) = [one for one in again.viewer.layers if isinstance(one, Labels)]
    assert set(np.unique(layer.data)) == {0, 1, 3}


def test_a_prefix_is_added_from_the_menu(worked_on, qtbot, monkeypatch):
    monkeypatch.setattr(
        QInputDialog, "getText", lambda *_, **__: ("s3://plates/run 7/", True)
    )
    worked_on.link.bar.menu.aboutToShow.emit()
    actions = {one.text(): one for one in worked_on.link.bar.menu.actions()}
    actions["Add images in S3…"].trigger()
    wait_idle(qtbot, worked_on)

    assert "1 image added" in worked_on.footer.line.text()
    worked_on.link.bar.next.click()
    wait_idle(qtbot, worked_on)
    assert [one.name for one in images(worked_on)] == ["two.tif"]


def test_offline_the_cells_open_without_their_image_and_can_be_corrected(
    worked_on, make_dock, qtbot, tmp_path, monkeypatch
):
    worked_on.release()
    worked_on.viewer.layers.clear()
    again = make_dock()
    with monkeypatch.context() as offline:
        offline.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        offline.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "empty"))
        again.link.open(str(tmp_path / "work.cellseg"))
        wait_idle(qtbot, again)

        assert [one.name for one in images(again)] == ["ä one.tif (not here)"]
        assert "cannot be reached" in again.header.facts.text()
        assert not again.footer.button.isEnabled()
        again.proofread.delete_cells([1])
        assert again.proofread.n_cells == 2
    with open_project(tmp_path / "work.cellseg", read_only=True) as reader:
        assert set(reader.open_labels(1).sources) == {2, 3}

    again.link.bar.images.activated.emit(0)
    wait_idle(qtbot, again)
    assert [one.name for one in images(again)] == ["ä one.tif"]
    assert again.proofread.n_cells == 2


def test_an_image_that_was_replaced_is_told_of(worked_on, make_dock, qtbot, tmp_path):
    worked_on.release()
    worked_on.viewer.layers.clear()
    put("run 7/ä one.tif", squares(2))
    again = make_dock()
    again.link.open(str(tmp_path / "work.cellseg"))
    wait_idle(qtbot, again)
    assert "was replaced in S3" in again.footer.line.text()
    assert again.proofread.n_cells == 3


def test_an_image_that_moved_within_s3_is_found(worked_on, qtbot, monkeypatch):
    store = client.s3_client()
    source = {"Bucket": "plates", "Key": "run 7/ä one.tif"}
    store.copy_object(Bucket="plates", Key="archive/ä one.tif", CopySource=source)
    store.delete_object(**source)
    monkeypatch.setattr(
        QInputDialog, "getText", lambda *_, **__: ("s3://plates/archive/", True)
    )
    worked_on.link.bar.relocate_s3_wanted.emit()
    wait_idle(qtbot, worked_on)
    assert "1 image found" in worked_on.footer.line.text()
    assert worked_on.projects.images[0].address == "s3://plates/archive/ä one.tif"
