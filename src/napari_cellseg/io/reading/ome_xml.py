"""What OME-XML says of the images in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.metadata import length_um, pixel_size_um

COUNTS = (
    "SizeX",
    "SizeY",
    "SizeZ",
    "SizeC",
    "SizeT",
    "IFD",
    "PlaneCount",
    "NumPlanes",
    "FirstZ",
    "FirstC",
    "FirstT",
)
MAX_COUNT = 1_000_000


@dataclass(frozen=True, slots=True)
class OmeImage:
    """One ``Image`` element.

    Attributes
    ----------
    name : str
        Its name, or ``""``.
    pixel_size : PixelSize or None
        None if not given, or not in a unit of length.
    channel_names : tuple of str
        Empty if no channel has a name; an unnamed one among named ones is ``"channel 2"``.
    n_values : int
        Product of all its sizes.
    notes : tuple of str
        Why there is no pixel size, where the file says something of it.
    """

    name: str
    pixel_size: PixelSize | None
    channel_names: tuple[str, ...]
    n_values: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OmeXml:
    """The OME-XML of a file.

    Attributes
    ----------
    images : tuple of OmeImage
        In the order of the file.
    part_names : tuple of str
        Names of the files that hold the planes, as written; empty for a single file.
    """

    images: tuple[OmeImage, ...]
    part_names: tuple[str, ...]


def parse_ome_xml(text: str) -> OmeXml | None:
    """Return what the OME-XML says, or None if it is damaged or hostile.

    A document type or entities (how XML bombs are made) are refused, and so are counts and
    modulo annotations that would fill the memory before a pixel is read.
    """
    if "<!" in text.replace("<!--", ""):
        return None
    try:
        root = ET.fromstring(text)  # noqa: S314 -- entities are refused above
    except (ET.ParseError, ValueError):
        return None
    if not _is_harmless(root):
        return None
    elements = [element for element in root if element.tag.endswith("Image")]
    parts = {
        element.attrib.get("FileName", "")
        for element in root.iter()
        if element.tag.endswith("UUID") and "FileName" in element.attrib
    }
    return OmeXml(tuple(map(_image, elements)), tuple(sorted(parts)))


def _is_harmless(root: ET.Element) -> bool:
    """Say whether all counts are numbers of a sane size."""
    for element in root.iter():
        values = [element.attrib[key] for key in COUNTS if key in element.attrib]
        if any(not value.isdecimal() or int(value) > MAX_COUNT for value in values):
            return False
        if (
            "Start" in element.attrib
            and "End" in element.attrib
            and not _has_few_steps(element)
        ):
            return False
    return True


def _has_few_steps(element: ET.Element) -> bool:
    """Say whether a modulo axis has few steps: tifffile makes an array of them."""
    try:
        start, end, step = (
            float(element.attrib.get(key, 1)) for key in ("Start", "End", "Step")
        )
        return abs(end - start) <= abs(step) * MAX_COUNT
    except ValueError:
        return False


def _image(element: ET.Element) -> OmeImage:
    """Return what one ``Image`` element says."""
    pixels = next((child for child in element if child.tag.endswith("Pixels")), None)
    name = element.attrib.get("Name", "")
    if pixels is None:
        return OmeImage(name, None, ())
    z_um, y_um, x_um = (_physical_um(pixels, axis) for axis in "ZYX")
    n_values = math.prod(int(pixels.attrib.get(f"Size{axis}", 1)) for axis in "XYZCT")
    size = pixel_size_um(y_um, x_um, z_um)
    notes = () if size else _size_notes(pixels)
    return OmeImage(name, size, _channel_names(pixels), n_values, notes)


def _size_notes(pixels: ET.Element) -> tuple[str, ...]:
    """Say what is told of a pixel size that cannot be used; nothing if nothing is."""
    told = [
        f"{axis} {pixels.attrib[name][:20]} {pixels.attrib.get(f'{name}Unit', 'µm')[:20]}"
        for axis in "XY"
        if (name := f"PhysicalSize{axis}") in pixels.attrib
    ]
    if not told:
        return ()
    return (
        f"The pixel size is unknown: the file says only {' and '.join(told)}; lengths "
        "of X and Y are needed.",
    )


def _physical_um(pixels: ET.Element, axis: str) -> float | None:
    """Return the distance of pixels along an axis; OME's default unit is the micrometre."""
    unit = pixels.attrib.get(f"PhysicalSize{axis}Unit", "µm")
    return length_um(pixels.attrib.get(f"PhysicalSize{axis}"), unit)


def _channel_names(pixels: ET.Element) -> tuple[str, ...]:
    """Return the names of the channels, or ``()`` if none has one."""
    channels = [child for child in pixels if child.tag.endswith("Channel")]
    names = [
        child.attrib.get("Name") or child.attrib.get("Fluor") or ""
        for child in channels
    ]
    if not any(names):
        return ()
    return tuple(name or f"channel {index + 1}" for index, name in enumerate(names))
