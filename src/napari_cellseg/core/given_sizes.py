"""Pixel sizes that a person types, beside those that files say."""

from __future__ import annotations

import math
from dataclasses import replace

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.types import CellImage, PixelSize


def with_given_sizes(
    image: CellImage, um: float | None, z_um: float | None
) -> CellImage:
    """Return an image with the sizes that were typed; a note says what they replace.

    Raises
    ------
    OptionsError
        See `given_size`.
    """
    size, notes = given_size(
        image.pixel_size, um, z_um, has_planes=image.n_along("Z") > 1
    )
    return replace(image, pixel_size=size, notes=(*image.notes, *notes))


def given_size(
    size: PixelSize | None, um: float | None, z_um: float | None, *, has_planes: bool
) -> tuple[PixelSize | None, tuple[str, ...]]:
    """Return the pixel size where a person typed some of it, and what it replaces.

    Parameters
    ----------
    size : PixelSize or None
        What the file says.
    um, z_um : float or None
        Typed edge of a pixel and distance of planes, in micrometres; what is typed wins.
    has_planes : bool
        True if there is more than one plane.

    Returns
    -------
    PixelSize or None, tuple of str
        The size, and a sentence for each value of the file that is not used.

    Raises
    ------
    OptionsError
        If a distance of planes is given where the edge of a pixel is not known.
    """
    notes = []
    if um is not None:
        if size is not None and not _is_same((size.y_um, size.x_um), um):
            sides = dict.fromkeys((size.x_um, size.y_um))
            notes.append(_not_used("pixel size", tuple(sides), um))
        size = PixelSize(um, um, size.z_um if size else None)
    if z_um is None:
        return size, tuple(notes)
    if size is None:
        if has_planes:
            raise OptionsError(
                f"A distance of planes of {z_um:g} µm was given, but how large a pixel is "
                "is not known. Give the pixel size (--pixel-size) as well."
            )
        return None, tuple(notes)
    if size.z_um is not None and not _is_same((size.z_um,), z_um):
        notes.append(_not_used("distance of planes", (size.z_um,), z_um))
    return replace(size, z_um=z_um), tuple(notes)


def _is_same(known: tuple[float, ...], given: float) -> bool:
    """Say whether lengths differ by rounding only."""
    return all(math.isclose(each, given, rel_tol=1e-4) for each in known)


def _not_used(what: str, known: tuple[float, ...], given: float) -> str:
    """Return the note that a value of the file is not used."""
    said = " x ".join(f"{each:.4g}" for each in known)
    return f"The {what} of the file ({said} µm) is not used: {given:.4g} µm was given."
