"""TIFF and its children: OME-TIFF, ImageJ, BigTIFF, LSM, STK, SVS, NDPI, QPTIFF."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage, TiffPageSeries

from napari_cellseg.core.errors import ImageReadError, LimitError
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.limits import check_shape, human_bytes, n_bytes_of
from napari_cellseg.io.reading.colour import ColourPlan
from napari_cellseg.io.reading.metadata import scaled
from napari_cellseg.io.reading.ome_xml import OmeXml, parse_ome_xml
from napari_cellseg.io.reading.scene import Request, Scene
from napari_cellseg.io.reading.tiff_colour import plan_colour
from napari_cellseg.io.reading.tiff_metadata import describe
from napari_cellseg.io.reading.tiff_pixels import TiffPixels

# Series that tifffile makes of a slide beside the slide itself.
SIDE_PICTURES = ("Thumbnail", "Label", "Macro", "Map")
# These would open files that an index beside the image names; the pages are read without it.
NEVER: dict[str, Any] = {"is_mmstack": False, "is_ndtiff": False}
XML_KINDS = (
    "is_ome",
    "is_scn",
    "is_bif",
    "is_qpi",
    "is_philips",
    "is_indica",
    "is_metaseries",
)


@contextmanager
def tiff_scenes(request: Request) -> Iterator[list[Scene]]:
    """Open a TIFF and give what its header says of each image in it.

    Raises
    ------
    ImageReadError
        If it is damaged or holds no image.
    LimitError
        If it has too many pages.
    """
    if request.path.suffix.lower() == ".vsi":
        raise ImageReadError(
            f"{request.name} is an Olympus slide; its pixels lie beside it in .ets files, which "
            "are not read here. Export it as OME-TIFF and open that."
        )
    with translated(request.name):
        flags, ome, notes = _inspect(request)
        if request.remote is not None:  # other files are not followed there
            flags["_multifile"] = False
        tiff = TiffFile(request.openable(), **flags)
    with tiff:
        with translated(request.name):
            scenes = _scenes(tiff, request, flags, ome, notes)
        yield scenes


def _inspect(request: Request) -> tuple[dict[str, Any], OmeXml | None, tuple[str, ...]]:
    """Look at the first page only, and decide what tifffile may believe of it."""
    with TiffFile(request.openable(), **NEVER, _multifile=False) as tiff:
        if len(tiff.pages) == 0 or not tiff.pages.first.shape:
            raise ImageReadError(f"{request.name} holds no image. Export it again.")
        _check_pages(tiff, request)
        text = tiff.pages.first.description or ""
        if "<OME" not in text[:4096]:
            hostile = "<!DOCTYPE" in text or "<!ENTITY" in text
            return (
                {**NEVER, **dict.fromkeys(XML_KINDS if hostile else (), False)},
                None,
                (),
            )
        ome = parse_ome_xml(text)
        if ome is None or not tiff.is_ome or not _fits_page(ome, tiff.pages.first):
            note = "The OME-XML is damaged; pixel size and channel names are unknown."
            return {**NEVER, **dict.fromkeys(XML_KINDS, False)}, None, (note,)
        if outside := _outside_names(ome.part_names, request.path):
            note = (
                f"Planes in other files ({', '.join(outside)[:80]}) are not followed."
            )
            return {**NEVER, "_multifile": False}, ome, (note,)
        return dict(NEVER), ome, ()


def _check_pages(tiff: TiffFile, request: Request) -> None:
    """Raise `LimitError` before a long chain of pages is walked to its end."""
    try:
        tiff.pages[request.limits.max_pages]
    except IndexError:
        return
    raise LimitError(
        f"{request.name} has more than {request.limits.max_pages} pages. "
        "Split it into several files."
    )


def _fits_page(ome: OmeXml, page: TiffPage) -> bool:
    """Say whether the sizes in the OME-XML are not far beyond what pages can hold."""
    return all(image.n_values <= 1_000_000 * max(page.size, 1) for image in ome.images)


def _outside_names(names: tuple[str, ...], path: Path) -> list[str]:
    """Return the part names that are no plain files of the image's own folder."""

    def is_outside(name: str) -> bool:
        if (
            not name
            or any(sign in name for sign in ("/", "\\", ":", "\0"))
            or name == ".."
        ):
            return True
        part = path.parent / name
        return part.exists() and not part.is_file()

    return [name for name in names if is_outside(name)]


def _scenes(
    tiff: TiffFile,
    request: Request,
    flags: dict[str, Any],
    ome: OmeXml | None,
    notes: tuple[str, ...],
) -> list[Scene]:
    """Return one scene a series, without thumbnails and labels of slides."""
    kept = [
        index
        for index, series in enumerate(tiff.series)
        if series.name not in SIDE_PICTURES and not (series.kind == "lsm" and index)
    ]
    if not kept:
        raise ImageReadError(f"{request.name} holds no image. Export it again.")
    return [_scene(tiff, index, request, flags, ome, notes) for index in kept]


def _scene(
    tiff: TiffFile,
    index: int,
    request: Request,
    flags: dict[str, Any],
    ome: OmeXml | None,
    notes: tuple[str, ...],
) -> Scene:
    """Return what the header says of one series."""
    full = tiff.series[index]
    if request.level >= len(full.levels):
        raise ImageReadError(
            f"{request.name} has {len(full.levels)} resolution level(s); level {request.level} "
            "was asked for. Levels count from 0."
        )
    series = full.levels[request.level]
    page, shape, axes = series.keyframe, tuple(series.shape), series.axes
    check_shape(request.name, shape)
    _check_chunks(request, page)
    plan = plan_colour(page, shape, axes, full.kind, as_stored=request.as_stored)
    described = describe(tiff, index, ome)
    size = scaled(described.pixel_size, _yx(full), _yx(series))
    can_be_lazy = plan.convert is None or plan.n_samples is not None
    opened = partial(TiffPixels, request.openable, flags, index, request.level)
    return Scene(
        name=_name(request, full, len(tiff.series)),
        shape=plan.shape,
        axes=plan.axes,
        dtype=plan.dtype,
        load=partial(_load, series, plan),
        open_lazy=opened if can_be_lazy else None,
        file_bytes=None if series.is_multifile else tiff.filehandle.size,
        n_pages=len(series),
        is_colour=plan.is_colour,
        pixel_size=size,
        channel_names=described.channel_names,
        level_shapes=tuple(tuple(level.shape) for level in full.levels),
        notes=(*notes, *described.notes, *plan.notes, *_missing_notes(series)),
    )


def _name(request: Request, series: TiffPageSeries, n_series: int) -> str:
    """Return the file name, with the name of the image where there are several."""
    if n_series > 1 and series.name and series.kind == "ome":
        return f"{request.name} [{series.name}]"
    return request.name


def _yx(series: TiffPageSeries) -> tuple[int, int]:
    """Return the rows and columns of a series."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return sizes.get("Y", 1), sizes.get("X", 1)


def _check_chunks(request: Request, page: TiffPage) -> None:
    """Raise if a tile or strip is far larger than its page, or if many are not listed."""
    dtype = np.dtype(page.dtype)
    chunk = n_bytes_of(tuple(page.chunks), dtype)
    whole = n_bytes_of(tuple(page.shape), dtype)
    if chunk > max(4 * whole, 256 * 2**20):
        raise LimitError(
            f"{request.name} is damaged or a trap: one tile needs {human_bytes(chunk)}, "
            f"the whole page {human_bytes(whole)}. Export it again."
        )
    n_needed, n_listed = math.prod(page.chunked), len(page.dataoffsets)
    if n_needed > n_listed + (0 if page.is_tiled else 1000):
        raise ImageReadError(
            f"{request.name} is damaged: its size asks for {n_needed} tiles or strips, the "
            f"file lists {n_listed}. Copy or export it again."
        )


def _load(series: TiffPageSeries, plan: ColourPlan) -> NDArray[Any]:
    """Read a series and convert its colours."""
    data = series.asarray(maxworkers=1 if len(series) == 1 else None)
    return data if plan.convert is None else plan.convert(data)


def _missing_notes(series: TiffPageSeries) -> tuple[str, ...]:
    """Say how many planes and tiles are not in the file and read as zeros."""
    if series.dataoffset is not None:
        return ()
    pages = list(series.pages)
    n_planes = sum(page is None for page in pages)
    n_tiles = sum(
        offset == 0 or n_bytes == 0
        for page in pages
        if page is not None
        for offset, n_bytes in zip(page.dataoffsets, page.databytecounts, strict=False)
    )
    notes = []
    if n_planes:
        notes.append(
            f"{n_planes} of {len(pages)} planes are missing and read as zeros."
        )
    if n_tiles:
        notes.append(f"Missing tiles: {n_tiles} tile(s) or strip(s) read as zeros.")
    return tuple(notes)
