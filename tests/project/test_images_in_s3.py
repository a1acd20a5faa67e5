"""A project takes images in S3 by reference, and finds them again by their ETag."""

from __future__ import annotations

import hashlib
import io
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from moto_server import moto_aws
from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.jobs import run
from napari_cellseg.io.reading.images import read_image
from napari_cellseg.io.reading.paths import list_places
from napari_cellseg.io.s3 import cache, client, objects
from napari_cellseg.io.s3.address import parse_s3_address
from napari_cellseg.project.facts import project_facts
from napari_cellseg.project.images.identity import identities
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import (
    Project,
    create_project,
    open_project,
)
from napari_cellseg.project.training.training_items import project_items

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

FIRST = "run 7/Zellkörper/A01.tif"


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 999, (60, 70), dtype=np.uint16)


def tiff(seed: int) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels(seed))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_aws() as address:
        yield address


@pytest.fixture(autouse=True)
def bucket(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    objects._seen.clear()
    urllib.request.urlopen(f"{server}/moto-api/reset", data=b"").close()
    client.s3_client().create_bucket(Bucket="plates")
    put(FIRST, tiff(1))
    put("run 7/Zellkörper/A02.tif", tiff(2))


def put(key: str, body: bytes) -> None:
    client.s3_client().put_object(Bucket="plates", Key=key, Body=body)


def take_away(key: str) -> None:
    client.s3_client().delete_object(Bucket="plates", Key=key)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with create_project(tmp_path / "work") as made:
        made.add_images(list_places(["s3://plates/run 7/Zellkörper/"]))
        yield made


def test_images_of_a_prefix_are_kept_by_address_and_added_once(
    project: Project,
) -> None:
    assert [one.address for one in project.images()] == [
        f"s3://plates/{FIRST}",
        "s3://plates/run 7/Zellkörper/A02.tif",
    ]
    assert project.add_images([parse_s3_address(f"s3://plates/{FIRST}")]) == 0
    assert project_facts(project)["in S3"] == 2
    assert project_facts(project)["missing"] == 0


def test_size_and_etag_are_the_identity(project: Project) -> None:
    md5 = hashlib.md5(tiff(1), usedforsecurity=False).hexdigest()
    assert project.table.identity_of(1) == (len(tiff(1)), f'etag:"{md5}"')


def test_what_this_program_has_read_is_added_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_image(f"s3://plates/{FIRST}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with create_project(tmp_path / "other") as made:
        assert made.add_images([parse_s3_address(f"s3://plates/{FIRST}")]) == 1


def test_the_project_and_its_copy_survive_a_move(
    project: Project, tmp_path: Path
) -> None:
    copy = tmp_path / "far" / "copy.cellseg"
    project.save_as(copy)
    with open_project(copy, read_only=True) as again:
        assert again.images()[0].address == f"s3://plates/{FIRST}"
        np.testing.assert_array_equal(
            np.asarray(read_image(again.images()[0].address).data).squeeze(), pixels(1)
        )


def test_checked_cells_on_an_image_in_s3_can_be_learned(project: Project) -> None:
    labels = np.zeros((60, 70), np.int32)
    labels[10:20, 10:20] = 1
    project.start_labels(1, NewLabels(labels, "YX", {1: "hand"}))
    ((image, items),) = project_items(project, None)
    assert image.name == "A01.tif"
    assert sum(int((item.labels > 0).sum()) for item in items) == 100


def test_an_image_moved_within_s3_is_found(project: Project) -> None:
    take_away(FIRST)
    put("archive/2026/A01.tif", tiff(1))
    put("archive/A01.tif", tiff(3))
    assert project.relocate(parse_s3_address("s3://plates/archive")) == 1
    assert [one.address for one in project.images()] == [
        "s3://plates/archive/2026/A01.tif",
        "s3://plates/run 7/Zellkörper/A02.tif",
    ]


def test_an_image_that_is_still_there_stays(project: Project) -> None:
    put("archive/A01.tif", tiff(1))
    assert project.relocate(parse_s3_address("s3://plates/archive")) == 0


def test_a_file_that_was_uploaded_is_found_in_s3(tmp_path: Path) -> None:
    path = tmp_path / "A09.tif"
    path.write_bytes(tiff(9) * 40)  # larger than both ends
    with create_project(tmp_path / "own") as made:
        made.add_images([path])
        put("up/A09.tif", path.read_bytes())
        path.unlink()
        assert made.relocate(parse_s3_address("s3://plates/up")) == 1
        assert made.images()[0].address == "s3://plates/up/A09.tif"
        assert made.table.identity_of(1)[1].startswith("etag:")


@pytest.mark.parametrize("parts", [1, 3], ids=["whole", "in parts"])
def test_an_object_that_was_downloaded_is_found_here(
    tmp_path: Path, parts: int
) -> None:
    body = np.random.default_rng(0).bytes((parts - 1) * 5 * 2**20 + 1000)
    upload(body, parts)
    with create_project(tmp_path / "own") as made:
        made.add_images([parse_s3_address("s3://plates/big/B01.tif")])
        take_away("big/B01.tif")
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk" / "B01.tif").write_bytes(body)
        assert made.relocate(tmp_path / "disk") == 1
        assert made.images()[0].place == tmp_path / "disk" / "B01.tif"


def upload(body: bytes, parts: int) -> None:
    from boto3.s3.transfer import TransferConfig

    size = 5 * 2**20
    config = TransferConfig(
        multipart_threshold=size if parts > 1 else 2**30, multipart_chunksize=size
    )
    client.s3_client().upload_fileobj(
        io.BytesIO(body), "plates", "big/B01.tif", Config=config
    )
    etag = client.s3_client().head_object(Bucket="plates", Key="big/B01.tif")["ETag"]
    assert etag.strip('"').endswith(f"-{parts}") == (parts > 1)


def test_an_ome_zarr_in_s3_is_known_by_what_describes_it(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "c.zarr", mode="w", zarr_format=3)
    group.attrs["name"] = "c"
    put("z/c.zarr/zarr.json", (tmp_path / "c.zarr" / "zarr.json").read_bytes())
    places = list_places(["s3://plates/z/c.zarr"])
    ((n_bytes, sign),) = run(identities(places)).values()
    assert n_bytes > 0
    assert sign.startswith("etag:")


def test_what_is_not_in_s3_is_not_taken(project: Project) -> None:
    with pytest.raises(ImageReadError, match="is not there"):
        project.add_images([parse_s3_address("s3://plates/none.tif")])


def test_offline_the_copy_on_this_computer_is_opened_and_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = project.images()
    read_image(first.address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    kept = read_image(first.address)

    np.testing.assert_array_equal(np.asarray(kept.data).squeeze(), pixels(1))
    assert "this is the copy on this computer" in kept.notes[0]
    assert kept.source == first.address
    with pytest.raises(ImageReadError, match="cannot be reached") as raised:
        read_image(second.address)
    assert str(raised.value).count(".") <= 4


def test_offline_the_corrections_open(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.ones((60, 70), np.int32)
    project.start_labels(1, NewLabels(labels, "YX"))
    project.close()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with open_project(project.folder) as again:
        assert again.open_labels(1).labels.shape == (60, 70)
        assert again.labels_frame(1) == ((60, 70), None)
