"""Results of the pipeline are found in a bucket."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from moto_server import moto_aws
from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.s3 import client
from napari_cellseg.io.writing.finished import describe_finished, find_finished

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
STEM = "output/plate 1/A01 ä.tif"


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with moto_aws():
        client.s3_client().create_bucket(Bucket="plates")
        yield


def put(key: str, body: bytes = b"x") -> None:
    client.s3_client().put_object(Bucket="plates", Key=key, Body=body)


@pytest.mark.parametrize(
    ("source", "image"),
    [
        ("s3://plates/input/plate 1/A01 ä.tif", "s3://plates/input/plate 1/A01 ä.tif"),
        ("s3://secrets/a.tif", ""),
        ("/etc/passwd", ""),
        ("s3://plates.evil/a.tif", ""),
    ],
)
def test_a_result_names_its_image_in_the_same_bucket_only(
    source: str, image: str
) -> None:
    values = {"n_cells": 5, "image": {"name": "A01 ä.tif"}, "source": source}
    put(f"{STEM}_labels.tif")
    put(f"{STEM}_counts.json", json.dumps(values).encode())

    (found,) = find_finished("s3://plates/output")
    shown = describe_finished(found)

    assert found.labels == f"s3://plates/{STEM}_labels.tif"
    assert (shown.name, shown.n_cells, shown.image) == ("A01 ä.tif", 5, image)


def test_a_bucket_that_is_not_there_is_told_of() -> None:
    with pytest.raises(ImageReadError, match="bucket that does not exist"):
        find_finished("s3://nobodys-bucket/output")
