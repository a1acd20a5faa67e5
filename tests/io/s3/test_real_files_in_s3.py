"""Real files of many formats read from S3 as they do from disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moto_server import moto_aws
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.io.reading import from_s3 as opening
from napari_cellseg.io.reading.images import (
    is_readable,
    read_image,
)
from napari_cellseg.io.s3 import cache, client

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
pytestmark = pytest.mark.slow
MAX_BYTES = 10_000_000
EVERY = 6


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with moto_aws():
        client.s3_client().create_bucket(Bucket="plates")
        yield


def outcome(place: str, limits: ReadLimits) -> Any:
    """Return what can be compared of an image, or of why there is none."""
    try:
        image = read_image(place, limits=limits)
        pixels = np.asarray(image.data)
    except CellsegError as error:
        return type(error).__name__
    return image.axes, image.pixel_size, pixels.shape, pixels.tobytes()


@pytest.mark.parametrize("in_parts", [False, True], ids=["copied", "in parts"])
def test_real_files_are_the_same_from_s3(
    in_parts: bool,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(opening, "WHOLE_BYTES", 1000 if in_parts else 2**26)
    limits = ReadLimits(lazy_bytes=0) if in_parts else ReadLimits()
    files = [
        path
        for path in sorted((shared_data / "formats").rglob("*"))
        if path.is_file() and is_readable(path) and path.stat().st_size < MAX_BYTES
    ][::EVERY]
    different = []
    for path in files:
        key = path.relative_to(shared_data).as_posix()
        client.s3_client().upload_file(str(path), "plates", key)
        here, there = outcome(str(path), limits), outcome(f"s3://plates/{key}", limits)
        if here != there:
            different.append(path.name)

    assert len(files) > 10
    assert different == []
