"""``cellseg project`` with images in S3."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from moto_server import moto_aws
from napari_cellseg.cli.main import app
from napari_cellseg.io.s3 import cache, client, objects
from napari_cellseg.project.store import open_project

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["project", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_project_of_a_bucket_is_made_grown_and_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    objects._seen.clear()
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((9, 9), np.uint8))
    folder = str(tmp_path / "lab.cellseg")
    with moto_aws():
        store = client.s3_client()
        store.create_bucket(Bucket="plates")
        for key in ("a/1.tif", "a/2.tif", "b/2.tif"):
            store.put_object(Bucket="plates", Key=key, Body=buffer.getvalue())

        assert "1 images" in said("new", folder, "s3://plates/a/1.tif")
        assert "1 images added" in said("add", folder, "s3://plates/a/*.tif")
        assert "in S3            2" in said("info", folder)
        store.delete_object(Bucket="plates", Key="a/2.tif")
        assert "1 images found" in said("relocate", folder, "s3://plates/b")

    with open_project(Path(folder), read_only=True) as project:
        assert [one.address for one in project.images()] == [
            "s3://plates/a/1.tif",
            "s3://plates/b/2.tif",
        ]
