"""Labels written and read again, by tifffile and by our own reader."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_cellseg.core.errors import LabelsError, SaveError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.writing import labels_file
from napari_cellseg.io.writing.labels_file import write_labels

SHAPES = {
    "YX": (40, 50),
    "ZYX": (3, 40, 50),
    "TYX": (2, 40, 50),
    "TZYX": (2, 3, 40, 50),
}


def _labels(axes):
    labels = np.zeros(SHAPES[axes], np.int32)
    labels[..., 5:15, 5:15] = 70_000
    labels[..., 20, 20] = 2**31 - 1
    return labels


@pytest.mark.parametrize("axes", SHAPES)
def test_labels_come_back_with_their_axes(axes, tmp_path):
    path = tmp_path / "a_labels.tif"
    write_labels(path, _labels(axes), axes=axes, pixel_size=None)
    with tifffile.TiffFile(path) as tiff:
        assert tiff.series[0].axes == axes
        assert tiff.series[0].dtype == np.uint32
        np.testing.assert_array_equal(tiff.asarray(), _labels(axes))


def test_the_pixel_size_stands_in_ome_and_in_the_tags(tmp_path):
    path = tmp_path / "a_labels.tif"
    size = PixelSize(0.5, 0.25, 2.0)
    write_labels(path, _labels("ZYX"), axes="ZYX", pixel_size=size)
    with tifffile.TiffFile(path) as tiff:
        ome = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
        across, per = tiff.pages[0].tags["XResolution"].value
        assert tiff.pages[0].tags["ResolutionUnit"].value == 3  # centimetres
    assert (ome["PhysicalSizeY"], ome["PhysicalSizeX"]) == (0.5, 0.25)
    assert (ome["PhysicalSizeZ"], ome["PhysicalSizeXUnit"]) == (2.0, "µm")
    assert across / per == 40_000


def test_one_plane_of_a_stack_keeps_its_axes(tmp_path):
    path = tmp_path / "a_labels.tif"
    labels = np.ones((1, 1, 4, 5), np.int32)
    write_labels(path, labels, axes="TZYX", pixel_size=None)
    assert tifffile.imread(path).size == 20


def test_labels_that_are_a_view_are_written_as_seen(tmp_path):
    path = tmp_path / "a_labels.tif"
    labels = _labels("YX").T
    write_labels(path, labels, axes="YX", pixel_size=None)
    np.testing.assert_array_equal(tifffile.imread(path), labels)


@pytest.mark.parametrize(
    ("labels", "axes"),
    [
        (np.zeros((3, 4, 5), np.int32), "YX"),
        (np.zeros((4, 5), np.int32), "XY"),
        (np.zeros((0, 5), np.int32), "YX"),
        (np.zeros((4, 5), np.uint16), "YX"),
        (np.full((4, 5), -1, np.int32), "YX"),
    ],
    ids=["axes", "order", "empty", "type", "negative"],
)
def test_what_is_no_labels_is_refused(labels, axes, tmp_path):
    with pytest.raises(LabelsError):
        write_labels(tmp_path / "a.tif", labels, axes=axes, pixel_size=None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_reads_back_wrong_is_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "a_labels.tif"
    path.write_text("old")

    def write_wrongly(file, data, **values):
        tifffile.imwrite(file, data + 1, **values)

    monkeypatch.setattr(labels_file, "imwrite", write_wrongly)
    with pytest.raises(SaveError, match="read back"):
        write_labels(path, _labels("YX"), axes="YX", pixel_size=None)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_cut_short_is_not_kept(tmp_path, monkeypatch):
    path = tmp_path / "a_labels.tif"

    def write_half(file, data, **values):
        tifffile.imwrite(file, data, **values)
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])

    monkeypatch.setattr(labels_file, "imwrite", write_half)
    labels = np.random.default_rng(0).integers(0, 2**30, (300, 300)).astype(np.int32)
    with pytest.raises(SaveError, match="could not be written"):
        write_labels(path, labels, axes="YX", pixel_size=None)
    assert list(tmp_path.iterdir()) == []


def test_our_own_reader_takes_them(tmp_path):
    images = pytest.importorskip("napari_cellseg.io.reading.images")
    path = tmp_path / "a_labels.tif"
    size = PixelSize(0.5, 0.25, 2.0)
    write_labels(path, _labels("TZYX"), axes="TZYX", pixel_size=size)
    labels, found = images.read_labels(path)
    np.testing.assert_array_equal(labels, _labels("TZYX"))
    assert found == size
