"""``cellseg segment`` from S3 and to S3: as from and to folders."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from fakes import FakeSegmenter
from moto_server import moto_aws
from napari_cellseg import engines
from napari_cellseg.cli.main import app
from napari_cellseg.io.s3 import cache, client

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
runner = CliRunner()
BUCKET = "plates"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto_aws() as address:
        client.s3_client().create_bucket(Bucket=BUCKET)
        yield address


@pytest.fixture(autouse=True)
def segmenter(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeSegmenter:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    fake = FakeSegmenter()
    monkeypatch.setattr(engines, "open_segmenter", lambda *_, **__: fake)
    return fake


def put_cells(key: str, n_cells: int = 2) -> str:
    """Put an image with bright 5 x 4 squares in one row."""
    pixels = np.zeros((16, 10 * n_cells + 4), np.uint16)
    for number in range(n_cells):
        pixels[4:9, 10 * number + 3 : 10 * number + 7] = 1000
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels)
    client.s3_client().put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())
    return f"s3://{BUCKET}/{key}"


def segment(*arguments: object) -> Result:
    return runner.invoke(app, ["segment", *map(str, arguments)])


def keys_below(prefix: str) -> list[str]:
    found = client.s3_client().list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"].removeprefix(prefix) for item in found.get("Contents", [])]


def body(key: str) -> bytes:
    data: bytes = client.s3_client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return data


def test_a_prefix_is_segmented_into_a_folder(tmp_path: Path) -> None:
    put_cells("run 1/B ä.tif", 3)
    put_cells("run 1/A.tif", 1)
    put_cells("run 1/deeper/C.tif")
    put_cells("run 1/A_labels.tif")
    client.s3_client().put_object(Bucket=BUCKET, Key="run 1/notes.txt", Body=b"x")

    result = segment(f"s3://{BUCKET}/run 1", "-o", tmp_path / "out")

    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in (tmp_path / "out").glob("*_labels.tif"))
    assert names == ["A_labels.tif", "B ä_labels.tif"]
    labels = tifffile.imread(tmp_path / "out" / "B ä_labels.tif")
    assert np.bincount(labels.ravel())[1:].tolist() == [20, 20, 20]
    record = json.loads((tmp_path / "out" / "A_cells.json").read_text("utf-8"))
    assert record["image"]["source"] == f"s3://{BUCKET}/run 1/A.tif"


def test_results_go_to_s3_and_a_stopped_run_goes_on() -> None:
    put_cells("run 2/a.tif", 2)
    out = f"s3://{BUCKET}/results 2/"

    first = segment(f"s3://{BUCKET}/run 2/a.tif", "-o", out)
    put_cells("run 2/b.tif", 4)
    second = segment(f"s3://{BUCKET}/run 2", "-o", out, "--skip-existing")

    assert first.exit_code == 0, first.output
    assert second.exit_code == 0, second.output
    assert "1 done, 1 skipped, 0 failed" in second.output
    assert f"{out}summary.csv" in second.output
    names = [
        f"{n}_{end}" for n in "ab" for end in ("cells.csv", "cells.json", "labels.tif")
    ]
    assert keys_below("results 2/") == [*names, "summary.csv"]
    rows = list(csv.DictReader(io.StringIO(body("results 2/summary.csv").decode())))
    assert [row["n_cells"] for row in rows] == ["2", "4"]
    assert tifffile.imread(io.BytesIO(body("results 2/b_labels.tif"))).max() == 4


def test_the_table_of_cells_in_3d_goes_to_s3_too() -> None:
    pixels = np.zeros((3, 16, 16), np.uint16)
    pixels[1:, 4:9, 3:7] = 1000
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata={"axes": "ZYX"}, ome=True)
    image = f"s3://{BUCKET}/run 6/a.ome.tif"
    client.s3_client().put_object(
        Bucket=BUCKET, Key="run 6/a.ome.tif", Body=buffer.getvalue()
    )

    result = segment(image, "-o", f"s3://{BUCKET}/out 6")

    assert result.exit_code == 0, result.output
    (row,) = csv.DictReader(
        io.StringIO(body("out 6/a_cells_3d.csv").decode("utf-8-sig"))
    )
    assert float(row["volume_px"]) == 40
    assert "is_finished" not in json.loads(body("out 6/a_cells.json"))


def test_results_that_are_there_are_not_replaced_unasked() -> None:
    image = put_cells("run 3/a.tif")
    out = f"s3://{BUCKET}/results 3"
    segment(image, "-o", out)
    before = body("results 3/a_labels.tif")

    result = segment(image, "-o", out)

    assert result.exit_code == 1
    assert "--skip-existing" in str(result.exception)
    assert body("results 3/a_labels.tif") == before


def test_masks_in_s3_are_added_and_go_with_their_labels() -> None:
    image, out = put_cells("run 7/a.tif"), f"s3://{BUCKET}/out 7"
    segment(image, "-o", out)

    added = segment(image, "-o", out, "--skip-existing", "--save-mask")
    left = segment(image, "-o", out, "--skip-existing", "--save-mask")
    mask = tifffile.imread(io.BytesIO(body("out 7/a_mask.tif")))
    replaced = segment(image, "-o", out, "--overwrite")

    assert "1 done" in added.output
    assert "1 skipped" in left.output
    assert mask.shape == (16, 24)
    assert replaced.exit_code == 0, replaced.output
    assert "a_mask.tif" not in keys_below("out 7/")


def test_a_pattern_means_the_keys_that_fit() -> None:
    for key in ("run 4/x1/a.tif", "run 4/x2/a.tif", "run 4/x2/deep/a.tif"):
        put_cells(key)

    result = segment(f"s3://{BUCKET}/run 4/x?/*.tif", "-o", f"s3://{BUCKET}/out 4")

    assert result.exit_code == 0, result.output
    assert [key for key in keys_below("out 4/") if key.endswith(".tif")] == [
        "x1_a_labels.tif",
        "x2_a_labels.tif",
    ]


def test_a_bad_object_becomes_a_row_and_the_run_goes_on(tmp_path: Path) -> None:
    put_cells("run 5/a.tif")
    client.s3_client().put_object(Bucket=BUCKET, Key="run 5/b.tif", Body=b"broken")

    result = segment(f"s3://{BUCKET}/run 5/", "-o", f"s3://{BUCKET}/out 5")

    assert result.exit_code == 1
    assert "1 done, 0 skipped, 1 failed" in result.output


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"s3://{BUCKET}/nothing here", "There is nothing at"),
        ("s3://no-such-bucket-1/x", "bucket that does not exist"),
        (f"s3://{BUCKET}/run 1/*.zzz", "There is no image in"),
    ],
)
def test_nothing_to_do_is_one_sentence(
    address: str, words: str, tmp_path: Path
) -> None:
    result = segment(address, "-o", tmp_path / "out")

    assert result.exit_code == 1
    assert words in str(result.exception)


def test_nothing_is_left_here_where_the_place_for_results_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_cells("run 9/a.tif")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    result = segment(f"s3://{BUCKET}/run 9/a.tif", "-o", "s3://no-such-bucket/results")

    assert result.exit_code != 0
    assert list((tmp_path / "temporary").iterdir()) == []
