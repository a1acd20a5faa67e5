"""What the manifest names, as npe2 and napari call it."""

from importlib import import_module
from pathlib import Path

import npe2
import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Image as ImageLayer
from npe2 import io_utils
from PIL import Image

from napari_cellseg.core.errors import AmbiguousAxesError, CellsegError
from napari_cellseg.core.synthetic import SAMPLE_NAMES
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.sniff import IMAGE_SUFFIXES
from napari_cellseg.io.writing.labels_file import write_labels
from napari_cellseg.widgets.contributions import read_layers

MANIFEST = Path(__file__).parents[2] / "src" / "napari_cellseg" / "napari.yaml"
NAME = "napari-cellseg"


@pytest.fixture
def plugin(npe2pm):
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    npe2pm.register(manifest)
    return manifest


def read(path):
    """Return the layers of a file, as napari asks for them."""
    return io_utils.read([str(path)], plugin_name=NAME, stack=False)


def write_zarr(path, data, axes, scale):
    """Write an OME-Zarr 0.4 of one level, in micrometres."""
    kinds = {"t": "time", "c": "channel"}
    named = [
        {"name": axis, "type": kinds[axis]}
        if axis in kinds
        else {"name": axis, "type": "space", "unit": "micrometer"}
        for axis in axes
    ]
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=data)
    steps = [{"type": "scale", "scale": scale}]
    level = {"path": "0", "coordinateTransformations": steps}
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": named, "datasets": [level]}
    ]


def test_every_command_imports(plugin):
    for command in plugin.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name))


def test_the_reader_asks_for_every_file_that_can_be_read(plugin):
    (reader,) = plugin.contributions.readers
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in IMAGE_SUFFIXES}
    assert reader.accepts_directories


def test_a_hyperstack_keeps_channels_scale_and_units(plugin, tmp_path):
    path = tmp_path / "cells.ome.tif"
    data = np.arange(2 * 3 * 2 * 8 * 9, dtype=np.uint16).reshape(2, 3, 2, 8, 9)
    metadata = {
        "axes": "TZCYX",
        "Channel": {"Name": ["DAPI", "actin"]},
        "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0,
    }  # fmt: skip
    tifffile.imwrite(path, data, ome=True, metadata=metadata)
    layers = read(path)
    names = [values["name"] for _, values, _ in layers]
    assert [name.split()[-1] for name in names] == ["DAPI", "actin"]
    for channel, (pixels, values, kind) in enumerate(layers):
        assert kind == "image"
        np.testing.assert_array_equal(pixels, data[:, :, channel])
        assert values["scale"] == [1, 2, 0.5, 0.25]
        assert values["units"] == ["pixel", "micrometer", "micrometer", "micrometer"]
        assert values["axis_labels"] == ("t", "z", "y", "x")
        assert values["metadata"][NAME]["axes"] == "TZYX"


def test_a_colour_picture_is_one_layer_in_its_colours(plugin, tmp_path):
    data = np.arange(8 * 9 * 3, dtype=np.uint8).reshape(8, 9, 3)
    Image.fromarray(data).save(tmp_path / "tissue.png")
    ((pixels, values, _),) = read(tmp_path / "tissue.png")
    np.testing.assert_array_equal(pixels, data)
    assert values["rgb"]
    assert values["name"] == "tissue.png"


def test_a_zarr_folder_opens_with_its_scale(plugin, tmp_path):
    path = tmp_path / "cells.zarr"
    data = np.arange(3 * 16 * 17, dtype=np.uint16).reshape(3, 16, 17)
    write_zarr(path, data, "zyx", [2.0, 0.5, 0.25])
    ((pixels, values, _),) = read(path)
    np.testing.assert_array_equal(np.asarray(pixels), data)
    assert values["scale"] == [2, 0.5, 0.25]
    assert values["units"] == ["micrometer"] * 3


@pytest.mark.parametrize(
    ("shape", "axes", "scale"),
    [
        ((8, 9), "YX", [0.5, 0.25]),
        ((3, 8, 9), "ZYX", [2, 0.5, 0.25]),
        ((3, 8, 9), "TYX", [1, 0.5, 0.25]),
        ((2, 3, 8, 9), "TZYX", [1, 2, 0.5, 0.25]),
    ],
)
def test_our_labels_open_as_labels(plugin, tmp_path, shape, axes, scale):
    path = tmp_path / "cells_labels.tif"
    labels = np.zeros(shape, np.int32)
    labels[..., 2:4, 2:4] = 70_000
    z_um = 2.0 if "Z" in axes else None
    write_labels(path, labels, axes=axes, pixel_size=PixelSize(0.5, 0.25, z_um))
    ((pixels, values, kind),) = read(path)
    assert kind == "labels"
    np.testing.assert_array_equal(pixels, labels)
    assert values["scale"] == scale
    assert values["axis_labels"] == tuple(axes.lower())
    assert values["name"] == "cells_labels"


def test_a_picture_called_labels_opens_as_an_image(plugin, tmp_path):
    path = tmp_path / "a_labels.tif"
    tifffile.imwrite(path, np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    ((_, values, kind),) = read(path)
    assert kind == "image"
    assert values["rgb"]


def test_labels_that_we_wrote_open_in_their_place(plugin, make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    labels = np.arange(8 * 9).reshape(8, 9)
    layer = viewer.add_labels(labels, scale=(0.5, 0.25), units=("um", "um"))
    (path,) = layer.save(str(tmp_path / "Zellen ä_labels.tif"), plugin=NAME)
    (opened,) = viewer.open(path, plugin=NAME)
    assert type(opened).__name__ == "Labels"
    np.testing.assert_array_equal(opened.data, labels)
    np.testing.assert_allclose(opened.scale, (0.5, 0.25))
    assert [str(unit) for unit in opened.units] == ["micrometer"] * 2


def test_a_damaged_file_is_one_sentence(plugin, make_napari_viewer, tmp_path):
    path = tmp_path / "damaged.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8))
    path.write_bytes(path.read_bytes()[:200])
    viewer = make_napari_viewer()
    with pytest.raises(CellsegError, match=r"damaged\.tif"):
        viewer.open(str(path), plugin=NAME)
    assert len(viewer.layers) == 0


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_a_sample_opens(plugin, make_napari_viewer, name):
    viewer = make_napari_viewer()
    layers = viewer.open_sample(NAME, name)
    assert len(layers) == (2 if name == "two_channels" else 1)


def test_five_axes_that_a_file_does_not_name_are_asked_for_in_a_sentence(tmp_path):
    tifffile.imwrite(tmp_path / "five.tif", np.ones((2, 3, 2, 8, 9), np.float32))
    with pytest.raises(AmbiguousAxesError, match=r"five\.tif .*'\?\?\?YX'"):
        read_layers(str(tmp_path / "five.tif"))


def test_the_density_of_a_slide_is_clear_where_there_is_no_cell(tmp_path):
    path = tmp_path / "slide_density.tif"
    tifffile.imwrite(path, np.zeros((3, 4), np.float32))
    ((data, values, _),) = read_layers(str(path))
    colours = ImageLayer(data, **values).colormap.map(np.array([0.0, 1.0]))
    assert list(colours[:, 3]) == [0, 1]
