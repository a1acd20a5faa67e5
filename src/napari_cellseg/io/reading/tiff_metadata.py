"""Pixel size and channel names of a TIFF series, from whichever program wrote them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tifffile import TiffFile, TiffPage, TiffPageSeries

from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.reading.metadata import (
    PRINT_UM,
    length_um,
    pixel_size_um,
    um_per,
)
from napari_cellseg.io.reading.ome_xml import OmeXml

MPP = re.compile(r"MPP\s*=\s*([0-9.]+)")
QPI_NAME = re.compile(r"<Name>([^<]{1,200})</Name>")
IMAGEJ_POSITION = re.compile(r"^c:\d+/\d+\s*(?:[zt]:\d+/\d+\s*)*-\s*")


@dataclass(frozen=True, slots=True)
class Described:
    """What the metadata say besides the axes."""

    pixel_size: PixelSize | None = None
    channel_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def describe(tiff: TiffFile, index: int, ome: OmeXml | None) -> Described:
    """Return pixel size, channel names and notes of series `index`."""
    series = tiff.series[index]
    if series.kind == "ome" and ome is not None:
        return _describe_ome(tiff, index, ome)
    readers: dict[str, Callable[[TiffFile, TiffPageSeries], Described]] = {
        "imagej": _describe_imagej,
        "lsm": _describe_lsm,
        "svs": _describe_svs,
        "qpi": _describe_qpi,
        "ndpi": _describe_slide,
        "scn": _describe_slide,
        "stk": _describe_stk,
    }
    return readers.get(series.kind, _describe_plain)(tiff, series)


def _describe_ome(tiff: TiffFile, index: int, ome: OmeXml) -> Described:
    """OME-XML: the image of the same number, or, where some are left out, of that name."""
    images = ome.images
    if len(images) != len(tiff.series):
        images = tuple(
            image for image in images if image.name == tiff.series[index].name
        )
        index = 0
    if index >= len(images):
        return Described()
    image = images[index]
    return Described(image.pixel_size, image.channel_names, image.notes)


def _describe_imagej(tiff: TiffFile, series: TiffPageSeries) -> Described:
    """ImageJ: resolution tags in the unit of the description."""
    meta = tiff.imagej_metadata or {}
    unit = str(meta.get("unit", ""))
    names = _imagej_channel_names(meta, series)
    x_um, y_um = (_per_pixel(series.keyframe, axis, unit) for axis in "XY")
    z_um = length_um(meta.get("spacing"), unit)
    is_print_unit = um_per(unit) in (um_per("inch"), um_per("cm"))
    if is_print_unit and x_um is not None and x_um > PRINT_UM:
        return Described(
            None,
            names,
            (
                "The pixel size is left unknown: a resolution per inch or centimetre is "
                "how large to print it.",
            ),
        )
    return Described(pixel_size_um(y_um, x_um, z_um), names)


def _imagej_channel_names(
    meta: Mapping[str, Any], series: TiffPageSeries
) -> tuple[str, ...]:
    """Return the slice labels of the first plane of each channel, if they tell them apart."""
    n_channels = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
    labels = meta.get("Labels")
    is_czt = str(meta.get("order", "czt")).lower() in ("czt", "default")
    if n_channels < 2 or not is_czt or not isinstance(labels, list | tuple):
        return ()
    names = [
        IMAGEJ_POSITION.sub("", str(label)).strip() for label in labels[:n_channels]
    ]
    return tuple(names) if len(set(names)) == n_channels and all(names) else ()


def _describe_lsm(tiff: TiffFile, _series: TiffPageSeries) -> Described:
    """Zeiss LSM: voxel sizes in metres."""
    meta = tiff.lsm_metadata or {}
    z_um, y_um, x_um = (length_um(meta.get(f"VoxelSize{axis}"), "m") for axis in "ZYX")
    colours = meta.get("ChannelColors")
    names = colours.get("ColorNames", ()) if isinstance(colours, Mapping) else ()
    return Described(
        pixel_size_um(y_um, x_um, z_um), tuple(str(name) for name in names)
    )


def _describe_svs(_tiff: TiffFile, series: TiffPageSeries) -> Described:
    """Aperio: micrometres per pixel in the description."""
    found = MPP.search(series.keyframe.description or "")
    um = length_um(found.group(1), "µm") if found else None
    return Described(pixel_size_um(um, um))


def _describe_qpi(tiff: TiffFile, series: TiffPageSeries) -> Described:
    """PerkinElmer and Akoya: resolution tags, and a name in the XML of each page."""
    names = [QPI_NAME.search(getattr(page, "description", "")) for page in series.pages]
    found = tuple(name.group(1) for name in names if name)
    size = _describe_slide(tiff, series).pixel_size
    return Described(size, found if len(found) == len(names) else ())


def _describe_slide(_tiff: TiffFile, series: TiffPageSeries) -> Described:
    """Slides whose resolution tags can be trusted."""
    return Described(_resolution_size(series.keyframe))


def _describe_stk(tiff: TiffFile, _series: TiffPageSeries) -> Described:
    """MetaMorph: calibration in the UIC tags."""
    meta = tiff.stk_metadata or {}
    unit = str(meta.get("CalibrationUnits", ""))
    y_um, x_um = (length_um(meta.get(f"{axis}Calibration"), unit) for axis in "YX")
    return Described(pixel_size_um(y_um, x_um))


def _describe_plain(_tiff: TiffFile, series: TiffPageSeries) -> Described:
    """Resolution tags, if they are fine enough not to be meant for a printer."""
    size = _resolution_size(series.keyframe)
    if size is None or max(size.y_um, size.x_um) > PRINT_UM:
        return Described()
    note = f"The pixel size ({size.x_um:.4g} µm) comes from the resolution tags."
    return Described(size, (), (note,))


def _resolution_size(page: TiffPage) -> PixelSize | None:
    """Return the pixel size that the resolution tags give in inches or centimetres."""
    tag = page.tags.get("ResolutionUnit")
    unit = {2: "inch", 3: "cm"}.get(int(tag.value) if tag is not None else 1)
    if unit is None:
        return None
    return pixel_size_um(_per_pixel(page, "Y", unit), _per_pixel(page, "X", unit))


def _per_pixel(page: TiffPage, axis: str, unit: str) -> float | None:
    """Return the micrometres of one pixel, from pixels per unit."""
    tag = page.tags.get(f"{axis}Resolution")
    if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2:
        return None
    pixels, units = tag.value
    return length_um(units / pixels, unit) if pixels else None
