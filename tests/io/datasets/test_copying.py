"""Images of a data set that are taken along as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.core.jobs import run
from napari_cellseg.io.datasets.exporting import export_dataset
from napari_cellseg.io.datasets.manifest import DatasetImage
from napari_cellseg.io.exchange.formats import format_named
from napari_cellseg.io.writing.labels_file import write_labels


def test_a_folder_that_cannot_be_copied_is_said_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "b.tif").write_bytes(b"pixels")
    labels = np.ones((4, 5), np.int32)
    write_labels(tmp_path / "labels.tif", labels, axes="YX", pixel_size=None)
    images = [
        DatasetImage("a", "a.zarr", "labels.tif"),
        DatasetImage("b", "b.tif", "labels.tif"),
    ]

    def fail(*_args: object, **_options: object) -> None:
        raise shutil.Error([("a.zarr/0", "out/a.zarr/0", "Input/output error")])

    monkeypatch.setattr(shutil, "copytree", fail)
    job = export_dataset(
        tmp_path, images, format_named("tiff"), tmp_path / "out", with_images=True
    )
    done = run(job)

    assert len(done.failed) == 1
    assert "a.zarr' could not be written" in done.failed[0]
    assert (tmp_path / "out" / "b.tif").read_bytes() == b"pixels"
