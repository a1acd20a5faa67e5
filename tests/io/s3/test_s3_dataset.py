"""Training sets in S3, against moto's server: pairs, manifests, and a cache."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

import boto3

from moto_server import moto_aws
from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.io.datasets import on_s3 as dataset
from napari_cellseg.io.datasets.on_s3 import s3_samples
from napari_cellseg.project.training.training_sources import training_items

BUCKET = "sets-of-a-lab"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.setenv("CELLSEG_S3_CACHE", str(tmp_path / "cache"))
    with moto_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client
        for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
        client.delete_bucket(Bucket=BUCKET)


def fill(client: Any, tmp_path: Path, prefix: str = "plate 1 ä/set/") -> str:
    """Put three images and two label images there; return the address."""
    for seed in (13, 25, 31):
        scene = random_scene(seed, (96, 96))
        path = tmp_path / "image.tif"
        tifffile.imwrite(path, scene.image.plane()[0])
        client.upload_file(str(path), BUCKET, f"{prefix}images/s{seed}.tif")
        if seed != 31:
            tifffile.imwrite(path, scene.labels.astype(np.uint16))
            client.upload_file(str(path), BUCKET, f"{prefix}masks/s{seed}.tif")
    client.put_object(Bucket=BUCKET, Key=f"{prefix}images/notes.txt", Body=b"x")
    return f"s3://{BUCKET}/{prefix}"


def test_a_prefix_gives_the_pairs_as_a_folder_would(s3: Any, tmp_path: Path) -> None:
    items = training_items(fill(s3, tmp_path), None)
    assert [item.name for item in items] == ["s13", "s25"]
    assert items[0].group != items[1].group
    expected = random_scene(13, (96, 96))
    np.testing.assert_array_equal(items[0].labels > 0, expected.labels > 0)
    np.testing.assert_array_equal(items[0].plane[0], expected.image.plane()[0])


def test_an_ome_tiff_pairs_with_its_labels(s3: Any, tmp_path: Path) -> None:
    address = fill(s3, tmp_path)
    prefix = address.removeprefix(f"s3://{BUCKET}/")
    source = {"Bucket": BUCKET, "Key": f"{prefix}images/s13.tif"}
    s3.copy_object(Bucket=BUCKET, Key=f"{prefix}images/s31.ome.tif", CopySource=source)
    source["Key"] = f"{prefix}masks/s13.tif"
    s3.copy_object(Bucket=BUCKET, Key=f"{prefix}masks/s31.tif", CopySource=source)
    s3.delete_object(Bucket=BUCKET, Key=f"{prefix}images/s31.tif")
    names = [item.name for item in training_items(address, None)]
    assert names == ["s13", "s25", "s31"]


def test_a_pair_is_fetched_when_its_turn_comes_and_once(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = fill(s3, tmp_path)
    fetched: list[str] = []
    local_copy = dataset.local_copy

    def counted(item: Any) -> Path:
        fetched.append(item.address.name)
        return local_copy(item)

    monkeypatch.setattr(dataset, "local_copy", counted)
    samples = s3_samples(address)
    first = next(samples)
    assert fetched == ["s13.tif", "s13.tif"]
    before = first.image_path.stat().st_mtime_ns
    again = next(s3_samples(address))
    assert again.image_path == first.image_path
    assert again.image_path.stat().st_ino == first.image_path.stat().st_ino
    assert before > 0


def test_a_manifest_names_what_is_used(s3: Any, tmp_path: Path) -> None:
    address = fill(s3, tmp_path)
    listed = [{"prefix": address}, "images/s25.tif", "masks/s25.tif", "images/s31.tif"]
    s3.put_object(Bucket=BUCKET, Key="few.manifest", Body=json.dumps(listed).encode())
    samples = list(s3_samples(f"s3://{BUCKET}/few.manifest"))
    assert [sample.name for sample in samples] == ["s25"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "is no manifest"),
        (b"[]", "is no manifest"),
        (b'["images/a.tif"]', "is no manifest"),
        (b'[{"prefix": "s3://sets-of-a-lab/"}, 3]', "lists 3"),
        (b'[{"prefix": "s3://sets-of-a-lab/"}]', "holds no pair"),
    ],
)
def test_a_manifest_that_is_none_is_refused(s3: Any, body: bytes, words: str) -> None:
    s3.put_object(Bucket=BUCKET, Key="bad.manifest", Body=body)
    with pytest.raises(ImageReadError, match=words):
        list(s3_samples(f"s3://{BUCKET}/bad.manifest"))


def test_a_prefix_without_pairs_is_refused(s3: Any) -> None:
    with pytest.raises(ImageReadError, match="holds no pair"):
        list(s3_samples(f"s3://{BUCKET}/nothing/"))
    with pytest.raises(ImageReadError, match="no manifest at"):
        list(s3_samples(f"s3://{BUCKET}/ghost.manifest"))
