"""From what napari says of a brush stroke to a change of a crop.

Since napari 0.8 a stroke is a list of atoms: an object with ``slice_key``, ``mask`` (None
for the whole box), ``old_values`` and ``new_value``, or, from ``data_setitem``, a tuple
of indices, old values and new values. Before 0.8 it was always the tuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from napari_cellseg.core.types import Labels

Spans = tuple[tuple[int, int], ...]


def stroke_box(atoms: Sequence[Any]) -> tuple[slice, ...] | None:
    """Return the box that holds all atoms, or None if they touch nothing."""
    spans = [found for found in map(_spans_of, atoms) if found]
    if not spans:
        return None
    lows = np.min([[low for low, _ in one] for one in spans], axis=0)
    highs = np.max([[high for _, high in one] for one in spans], axis=0)
    return tuple(
        slice(int(low), int(high)) for low, high in zip(lows, highs, strict=True)
    )


def after_stroke(
    before: Labels, box: tuple[slice, ...], atoms: Sequence[Any]
) -> Labels:
    """Return the crop as it is after the atoms, in their order.

    Parameters
    ----------
    before : int32 array
        The labels in `box` before the stroke; not changed.
    box : tuple of slice
        From `stroke_box`.
    atoms : sequence
        The value of napari's paint event.
    """
    after = before.copy()
    corner = [part.start for part in box]
    for atom in atoms:
        if hasattr(atom, "slice_key"):
            key = tuple(
                slice(part.start - low, part.stop - low)
                for part, low in zip(atom.slice_key, corner, strict=True)
            )
            where = ... if atom.mask is None else atom.mask
            after[key][where] = atom.new_value
        else:
            indices, _, values = atom
            places = zip(indices, corner, strict=True)
            after[tuple(np.asarray(index) - low for index, low in places)] = values
    return after


def is_erasure(atoms: Sequence[Any]) -> bool:
    """Say whether atoms only ever write background."""
    values = (
        atom.new_value if hasattr(atom, "slice_key") else atom[2] for atom in atoms
    )
    return not any(np.any(value) for value in values)


def _spans_of(atom: Any) -> Spans:
    """Return the (low, high) of an atom on each axis, or () if it is empty."""
    if hasattr(atom, "slice_key"):
        return tuple((part.start, part.stop) for part in atom.slice_key)
    indices = [np.asarray(index).reshape(-1) for index in atom[0]]
    if not indices or not indices[0].size:
        return ()
    return tuple((int(i.min()), int(i.max()) + 1) for i in indices)
