"""Units of length in every spelling, and OME-XML."""

from __future__ import annotations

import pytest

from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.metadata import length_um, scaled, um_per
from napari_cellseg.io.reading.ome_xml import parse_ome_xml


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        ("µm", 1), ("μm", 1), ("Âµm", 1), ("Î¼m", 1), ("\ufffdm", 1), ("\\u00B5m", 1), ("um", 1),
        ("microns", 1), ("Micrometer", 1), ("micrometre", 1), (" um ", 1), ("nm", 1e-3),
        ("nanometers", 1e-3), ("mm", 1e3), ("millimeter", 1e3), ("cm", 1e4), ("m", 1e6),
        ("inch", 25_400), ("in", 25_400), ("inches", 25_400), ("Å", 1e-4), ("angstrom", 1e-4),
    ],
)  # fmt: skip
def test_units_of_length(unit, um):
    assert um_per(unit) == um


@pytest.mark.parametrize(
    "unit", ["", None, "pixel", "px", "s", "reference frame", "furlong"]
)
def test_what_is_no_unit_of_length(unit):
    assert um_per(unit) is None


@pytest.mark.parametrize(
    "value", [0, -1, "", None, "abc", float("nan"), float("inf"), 1e308]
)
def test_what_is_no_length(value):
    assert length_um(value, "m") is None


def test_a_lower_level_has_larger_pixels():
    size = scaled(PixelSize(0.5, 0.25, 2), (100, 80), (50, 20))
    assert size == PixelSize(1.0, 1.0, 2)


def test_unnamed_channels_among_named_ones_are_numbered():
    found = parse_ome_xml(
        '<OME><Image Name="a"><Pixels PhysicalSizeX="2" PhysicalSizeY="3" '
        'PhysicalSizeYUnit="nm"><Channel/><Channel Name="GFP"/></Pixels></Image></OME>'
    )
    assert found is not None
    (image,) = found.images
    assert image.channel_names == ("channel 1", "GFP")
    assert image.pixel_size == PixelSize(0.003, 2)


@pytest.mark.parametrize(
    "text",
    ["", "<OME>", '<!DOCTYPE x [<!ENTITY a "b">]><OME/>', "<OME>\0</OME>",
     '<OME><A Start="0" End="1e12" Step="1"/></OME>'],
    ids=["empty", "cut", "entities", "zero byte", "endless axis"],
)  # fmt: skip
def test_damaged_and_hostile_xml_is_none(text):
    assert parse_ome_xml(text) is None


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('PhysicalSizeX="0.5"', "only X 0.5 µm; lengths of X and Y"),
        (
            'PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1" '
            'PhysicalSizeYUnit="pixel"',
            "only X 1 pixel and Y 1 pixel",
        ),
    ],
    ids=["one side", "no length"],
)
def test_half_a_pixel_size_is_none_and_said(told, said):
    found = parse_ome_xml(f'<OME><Image Name="a"><Pixels {told}/></Image></OME>')
    assert found is not None
    (image,) = found.images
    assert image.pixel_size is None
    assert said in image.notes[0]


def test_nothing_is_said_of_a_pixel_size_that_is_not_there():
    found = parse_ome_xml('<OME><Image Name="a"><Pixels/></Image></OME>')
    assert found is not None
    assert found.images[0].notes == ()
