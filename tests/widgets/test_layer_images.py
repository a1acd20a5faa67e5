"""Image layers as images, from any plugin."""

import numpy as np
import pytest
from napari.layers import Image, Shapes

from napari_cellseg.core.errors import AmbiguousAxesError
from napari_cellseg.core.types import PixelSize
from napari_cellseg.widgets.canvas.layer_images import (
    ImageChoice,
    image_choices,
    labels_placement,
    note,
    pixel_size_of,
    read_choice,
)


def choice(data, **kwargs):
    return ImageChoice((Image(data, **kwargs),))


@pytest.mark.parametrize(
    ("data", "kwargs", "axes"),
    [
        (np.zeros((9, 9)), {}, "CYX"),
        (np.zeros((9, 9, 3), np.uint8), {"rgb": True}, "CYX"),
        (np.zeros((9, 9, 4), np.uint8), {"rgb": True}, "CYX"),
        (np.zeros((4, 9, 9)), {"axis_labels": ("z", "y", "x")}, "CZYX"),
        (
            np.zeros((4, 9, 9)),
            {"metadata": {"napari-cellseg": {"axes": "TYX"}}},
            "TCYX",
        ),
        ([np.zeros((8, 8)), np.zeros((4, 4))], {"multiscale": True}, "CYX"),
    ],
    ids=["grey", "rgb", "rgba", "axis labels", "our reader", "pyramid"],
)
def test_axes_come_from_what_the_layer_says(data, kwargs, axes):
    assert read_choice(choice(data, **kwargs)).axes == axes


@pytest.mark.parametrize("shape", [(3, 9, 9), (2, 3, 9, 9)])
def test_a_stack_that_says_nothing_is_asked_about(shape):
    with pytest.raises(AmbiguousAxesError) as caught:
        read_choice(choice(np.zeros(shape), rgb=False))
    assert caught.value.known_axes == "?" * (len(shape) - 2) + "YX"


def test_channels_of_one_file_are_one_choice():
    layers = [Image(np.full((9, 9), i), name=f"c{i}") for i in (1, 0)]
    for index, layer in zip((1, 0), layers, strict=True):
        note(layer, group="g", channel=index, name="file.tif", axes="YX")
    other = Image(np.zeros((9, 9)), name="other")
    found = image_choices([*layers, Shapes(), other])
    assert [one.title for one in found] == ["file.tif (2 channels)", "other"]
    image = read_choice(found[0])
    assert image.channel_names == ("c0", "c1")
    assert image.plane()[:, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("scale", "units", "expected"),
    [
        ((0.5, 0.5), ("um", "um"), PixelSize(0.5, 0.5)),
        ((500, 250), ("nm", "nm"), PixelSize(0.5, 0.25)),
        ((0.5, 0.5), ("pixel", "pixel"), None),
    ],
)
def test_a_pixel_size_needs_a_unit_of_length(scale, units, expected):
    layer = Image(np.zeros((9, 9)), scale=scale, units=units)
    assert pixel_size_of(layer, "YX") == expected


def test_labels_lie_where_the_image_lies_without_its_channels():
    layer = Image(np.zeros((2, 4, 9, 9)), scale=(1, 3, 2, 2), translate=(0, 5, 6, 7))
    placement = labels_placement(layer, "CZYX")
    assert placement["scale"] == [3, 2, 2]
    assert placement["translate"] == [5, 6, 7]
