"""What the photometric interpretation of a TIFF page asks for."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffPage

from napari_cellseg.io.reading.colour import (
    ColourPlan,
    Convert,
    apply_palette,
    cmyk_to_rgb,
    first_samples,
    inverted,
    lab_to_rgb,
    palette_table,
    with_samples,
    ycbcr_to_rgb,
)

ALPHA = (1, 2)  # ExtraSamples: associated and unassociated alpha
JPEGS = (COMPRESSION.JPEG, COMPRESSION.OJPEG)  # tifffile decodes these to RGB
# Here a palette is how a channel was shown, not what it is.
LOOKUP_TABLE_KINDS = ("imagej", "lsm", "ome", "stk", "fluoview", "sis")


def plan_colour(
    page: TiffPage, shape: tuple[int, ...], axes: str, kind: str, *, as_stored: bool
) -> ColourPlan:
    """Return how the values of a series become what they mean.

    Parameters
    ----------
    page : TiffPage
        Key frame of the series.
    shape, axes
        Of the series, as stored.
    kind : str
        tifffile's kind of the series.
    as_stored : bool
        True: nothing is converted (labels).
    """
    plain = ColourPlan(shape, axes, np.dtype(page.dtype))
    photometric = page.photometric
    if as_stored:
        return plain
    if photometric == PHOTOMETRIC.PALETTE and page.colormap is not None:
        return _palette_plan(page, plain, kind)
    if (
        photometric == PHOTOMETRIC.MINISWHITE
        and plain.dtype.kind == "b"
        and kind == "shaped"
    ):
        return plain  # tifffile writes True as 1 and calls it white, whatever it means
    if photometric == PHOTOMETRIC.MINISWHITE and plain.dtype.kind in "bui":
        convert = partial(inverted, n_bits=int(page.bitspersample))
        return replace(
            plain, convert=convert, notes=("White is 0 in the file: inverted.",)
        )
    if "S" in axes:
        return _samples_plan(page, plain, shape[axes.index("S")])
    return plain


def _palette_plan(page: TiffPage, plain: ColourPlan, kind: str) -> ColourPlan:
    """Plan for indices into a palette."""
    if kind in LOOKUP_TABLE_KINDS or plain.dtype.kind not in "bu":
        return plain
    if "S" in plain.axes:
        return _palette_and_alpha_plan(page, plain, kind)
    table = palette_table(np.asarray(page.colormap), int(page.bitspersample))
    convert = partial(apply_palette, table=table)
    if table.ndim == 1:
        note = ("Grey values were looked up in the palette of the file.",)
        return replace(plain, dtype=table.dtype, convert=convert, notes=note)
    return ColourPlan(
        (*plain.shape, 3),
        plain.axes + "S",
        table.dtype,
        convert,
        is_colour=True,
        notes=("Palette colours were converted to RGB.",),
    )


def _palette_and_alpha_plan(page: TiffPage, plain: ColourPlan, kind: str) -> ColourPlan:
    """Plan for indices into a palette, followed by further samples."""
    place = plain.axes.index("S")
    shape = plain.shape[:place] + plain.shape[place + 1 :]
    indices = replace(plain, shape=shape, axes=plain.axes.replace("S", ""))
    plan = _palette_plan(page, indices, kind)
    steps = partial(_first_then, place=place, convert=plan.convert)
    return replace(
        plan, convert=steps, notes=(*plan.notes, "The samples beside it are left out.")
    )


def _first_then(
    data: NDArray[Any], place: int, convert: Convert | None
) -> NDArray[Any]:
    """Take the first sample along the axis `place`, and convert it."""
    first = np.take(data, 0, axis=place)
    return first if convert is None else convert(first)


def _samples_plan(page: TiffPage, plain: ColourPlan, n_samples: int) -> ColourPlan:
    """Plan for several samples a pixel."""
    photometric = page.photometric
    colour_like = (
        PHOTOMETRIC.RGB,
        PHOTOMETRIC.YCBCR,
        PHOTOMETRIC.CIELAB,
        PHOTOMETRIC.ICCLAB,
    )
    if photometric == PHOTOMETRIC.SEPARATED and n_samples >= 4:
        return _cmyk_plan(plain, n_samples)
    if photometric in colour_like and n_samples >= 3:
        return _three_colour_plan(page, plain, n_samples)
    n_alpha = sum(extra in ALPHA for extra in page.extrasamples)
    if n_alpha and n_samples > n_alpha:
        return _dropping(plain, n_samples - n_alpha, "The alpha channel is left out.")
    return plain


def _cmyk_plan(plain: ColourPlan, n_samples: int) -> ColourPlan:
    """Plan for cyan, magenta, yellow, black and possibly more."""
    notes = ["CMYK was converted to RGB without a colour profile."]
    if n_samples > 4:
        notes.append(f"{n_samples - 4} further sample(s) are left out.")
    return replace(
        plain,
        shape=with_samples(plain.shape, plain.axes, 3),
        is_colour=True,
        convert=partial(cmyk_to_rgb, axes=plain.axes),
        notes=tuple(notes),
    )


def _three_colour_plan(page: TiffPage, plain: ColourPlan, n_samples: int) -> ColourPlan:
    """Plan for RGB, YCbCr and Lab, with or without further samples."""
    plan = replace(plain, is_colour=True)
    if n_samples > 3:
        is_alpha = any(extra in ALPHA for extra in page.extrasamples)
        what = (
            "The alpha channel is"
            if is_alpha
            else f"{n_samples - 3} sample(s) beyond RGB are"
        )
        plan = _dropping(plan, 3, f"{what} left out.")
    elif (
        page.photometric in (PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB)
        and plain.dtype.kind == "u"
    ):
        is_icc = page.photometric == PHOTOMETRIC.ICCLAB
        plan = replace(
            plan,
            dtype=np.dtype(np.uint8),
            notes=("CIE L*a*b* was converted to RGB.",),
            convert=partial(lab_to_rgb, axes=plain.axes, is_icc=is_icc),
        )
    elif (
        page.photometric == PHOTOMETRIC.YCBCR
        and page.compression not in JPEGS
        and plain.dtype == np.uint8
    ):
        plan = replace(
            plan,
            notes=("YCbCr was converted to RGB.",),
            convert=partial(ycbcr_to_rgb, axes=plain.axes),
        )
    return plan


def _dropping(plan: ColourPlan, n_samples: int, note: str) -> ColourPlan:
    """Return a plan that keeps the first samples; one sample is no axis of colours."""
    return ColourPlan(
        with_samples(plan.shape, plan.axes, n_samples),
        plan.axes,
        plan.dtype,
        partial(first_samples, axes=plan.axes, n_samples=n_samples),
        n_samples,
        plan.is_colour,
        (note,),
    )
