"""A folder of labels takes the place of another one whole, or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io import atomic
from napari_cellseg.io.reading.images import read_labels
from napari_cellseg.io.writing.labels_zarr import write_labels_zarr

LABELS = np.ones((8, 8), np.int32)


def test_labels_that_cannot_take_the_place_leave_the_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ome.zarr"
    write_labels_zarr(path, LABELS, axes="YX", pixel_size=None)
    replace = Path.replace

    def refuse_the_new(source: Path, target: Path) -> Path:
        if source.name.startswith(".new."):
            raise PermissionError(errno.EACCES, "held open")
        return replace(source, target)

    monkeypatch.setattr(atomic, "REPLACE_WAITS", ())
    monkeypatch.setattr(Path, "replace", refuse_the_new)
    with pytest.raises(SaveError):
        write_labels_zarr(path, 2 * LABELS, axes="YX", pixel_size=None)

    assert [each.name for each in tmp_path.iterdir()] == ["a.ome.zarr"]
    assert read_labels(path)[0].max() == 1


def test_a_folder_that_is_held_for_a_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.ome.zarr"
    write_labels_zarr(path, LABELS, axes="YX", pixel_size=None)
    replace, refusals = Path.replace, [1, 1]

    def refuse_twice(source: Path, target: Path) -> Path:
        if refusals and source.is_dir():
            refusals.pop()
            raise PermissionError(errno.EACCES, "held open")
        return replace(source, target)

    monkeypatch.setattr(atomic, "REPLACE_WAITS", (0.0,) * 3)
    monkeypatch.setattr(Path, "replace", refuse_twice)
    write_labels_zarr(path, 2 * LABELS, axes="YX", pixel_size=None)

    assert [each.name for each in tmp_path.iterdir()] == ["a.ome.zarr"]
    assert read_labels(path)[0].max() == 2


def test_large_labels_have_smaller_levels_of_the_same_cells(tmp_path: Path) -> None:
    labels = np.arange(5000 * 1100, dtype=np.int32).reshape(5000, 1100) % 977
    path = tmp_path / "a.ome.zarr"

    write_labels_zarr(path, labels, axes="YX", pixel_size=PixelSize(0.5, 0.25))

    group = zarr.open_group(path, mode="r")
    for level in range(4):
        step = 2**level
        np.testing.assert_array_equal(group[str(level)][:], labels[::step, ::step])
    (image,) = group.attrs["ome"]["multiscales"]
    scales = [
        each["coordinateTransformations"][0]["scale"] for each in image["datasets"]
    ]
    assert scales == [[0.5, 0.25], [1.0, 0.5], [2.0, 1.0], [4.0, 2.0]]
