"""From the axes that a file names to the order of the project, ``(T, C, Z, Y, X)``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import AmbiguousAxesError, ImageReadError

KNOWN = "TCZYXS"
ORDER = "TCZYX"


def known_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Return `axes` with ``?`` for what is not known; axes of size 1 keep their letter.

    Parameters
    ----------
    axes : str
        One letter an axis; ``Y`` and ``X`` are always known, ``S`` are samples of a pixel.
    """
    return "".join(
        letter if letter in KNOWN or size == 1 else "?"
        for letter, size in zip(axes, shape, strict=True)
    )


def resolve_axes(
    name: str, axes: str, shape: tuple[int, ...], named: str | None
) -> str:
    """Return axes in which every axis longer than 1 is known.

    Parameters
    ----------
    name : str
        File name for errors.
    axes : str
        As the file says.
    shape : tuple of int
        As the file says.
    named : str or None
        What the person says; one letter for each axis, or for each that is longer than 1.
        The axis of the colours may be left out.

    Raises
    ------
    AmbiguousAxesError
        If an axis is not known and `named` is None.
    ImageReadError
        If `named` does not fit.
    """
    if named is not None:
        return _named_axes(name, axes, shape, named.upper())
    known = known_axes(axes, shape)
    long = "".join(letter for letter, n in zip(known, shape, strict=True) if n > 1)
    if "?" in long or len(set(long)) < len(long):
        raise AmbiguousAxesError(_question(name, known, shape), shape, known)
    return known


def _question(name: str, known: str, shape: tuple[int, ...]) -> str:
    """Return the sentence that asks what the unknown axes are."""
    if known.count("?") == 1:
        offers = " or ".join(
            f"axes='{known.replace('?', letter)}' ({word})"
            for letter, word in (("Z", "planes"), ("T", "time"), ("C", "channels"))
            if letter not in known
        )
        which = f"axis {known.index('?') + 1} ({shape[known.index('?')]} long)"
    else:
        offers = "one letter an axis of T, C, Z, Y, X, such as axes='TCYX'"
        which = f"each '?' of '{known}'"
    return (
        f"{name} has the shape {shape} and does not say what {which} is. Name it: {offers}; "
        "in `cellseg segment` --axes. An OME-TIFF or OME-Zarr says it itself."
    )


def _named_axes(name: str, axes: str, shape: tuple[int, ...], named: str) -> str:
    """Fit the letters that a person gave to the axes of the file."""
    long = [index for index, size in enumerate(shape) if size > 1]
    samples = [index for index in long if axes[index] == "S"]
    choices = (list(range(len(shape))), long)
    for places in (
        *choices,
        *([i for i in choice if i not in samples] for choice in choices),
    ):
        if len(places) == len(named):
            return _placed(name, axes, shape, dict(zip(places, named, strict=True)))
    raise ImageReadError(
        f"{name} has the shape {shape}; the axes '{named}' name {len(named)}. "
        "Give one letter for each axis."
    )


def _placed(
    name: str, axes: str, shape: tuple[int, ...], letters: dict[int, str]
) -> str:
    """Return the axes with the letters put in their places."""
    placed = "".join(
        letters.get(index, "S" if letter == "S" and size > 1 else "?")
        for index, (letter, size) in enumerate(zip(axes, shape, strict=True))
    )
    used = placed.replace("?", "")
    if (
        set(used) - set(KNOWN)
        or len(set(used)) < len(used)
        or not {"Y", "X"} <= set(used)
    ):
        raise ImageReadError(
            f"The axes '{''.join(letters.values())}' cannot be used for {name}: each of T, C, Z, "
            "Y, X may stand once, and Y and X are needed."
        )
    return placed


def canonical_axes(axes: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    """Return the project's axes and shape of an image with resolved axes.

    C is always there; T and Z only where they are longer than 1. ``S`` counts as channels.
    """
    sizes = {
        letter: n for letter, n in zip(axes, shape, strict=True) if letter in KNOWN
    }
    sizes["C"] = sizes.get("C", 1) * sizes.pop("S", 1)
    kept = "".join(x for x in ORDER if x in "CYX" or sizes.get(x, 1) > 1)
    return kept, tuple(sizes.get(letter, 1) for letter in kept)


def to_canonical(data: NDArray[Any], axes: str) -> NDArray[Any]:
    """Return `data` in the project's order, as a view where that is possible.

    Parameters
    ----------
    data : array
        One axis a letter of `axes`; axes that are not of ``TCZYXS`` have size 1.
    """
    _, shape = canonical_axes(axes, data.shape)
    known = [index for index, letter in enumerate(axes) if letter in KNOWN]
    data = data.reshape([data.shape[index] for index in known])
    letters = [axes[index] for index in known]
    order = sorted(
        range(len(letters)), key=["TCSZYX".index(x) for x in letters].__getitem__
    )
    return np.transpose(data, order).reshape(shape)
