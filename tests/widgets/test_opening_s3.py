"""The dock opens an image in S3 by its address."""

import io

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QMimeData
from qtpy.QtWidgets import QInputDialog
from tests.moto_server import moto_aws

from napari_cellseg.io.s3 import cache, client
from napari_cellseg.widgets.images.opening import dropped_paths

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")


@pytest.fixture
def address(tmp_path, monkeypatch):
    """Put an image into S3 and return its address."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.arange(600, dtype=np.uint16).reshape(20, 30))
    with moto_aws():
        store = client.s3_client()
        store.create_bucket(Bucket="plates")
        store.put_object(Bucket="plates", Key="ä b.tif", Body=buffer.getvalue())
        yield "s3://plates/ä b.tif"


def test_an_address_becomes_a_layer(dock, qtbot, address, monkeypatch):
    monkeypatch.setattr(
        QInputDialog, "getText", lambda *_, **__: (f" {address} ", True)
    )

    dock.opener.address_action.trigger()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 1, timeout=20_000)

    layer = dock.viewer.layers[0]
    assert layer.data.shape == (20, 30)
    assert "ä b" in layer.name


def test_what_is_not_there_is_told_in_the_dock(dock, qtbot, address, monkeypatch):
    monkeypatch.setattr(
        QInputDialog, "getText", lambda *_, **__: ("s3://plates/no.tif", True)
    )

    dock.opener.address_action.trigger()

    qtbot.waitUntil(lambda: "is not there" in dock.footer.line.text(), timeout=20_000)


def test_a_dropped_address_is_opened():
    data = QMimeData()
    data.setText("s3://plates/a.tif\n")

    assert dropped_paths(data) == ["s3://plates/a.tif"]
