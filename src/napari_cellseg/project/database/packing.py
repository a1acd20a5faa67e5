"""Edits as rows of the database, and back."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numcodecs import Zstd

from napari_cellseg.core.editing.cell_notes import CellNotes
from napari_cellseg.core.editing.checked import area_from_json, area_to_json
from napari_cellseg.core.editing.edits import Edit, Packed
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.types import LABELS_DTYPE, Labels

#: Labels are long runs of one number: the fastest level packs them a hundredfold.
_ZSTD = Zstd(level=1)


def packed_ahead(edit: Edit) -> Edit:
    """Return an edit that carries its packed pixels: of a large image that takes long."""
    data = _packed_pixels(edit)
    return replace(edit, packed=Packed(edit.before, edit.after, data))


def _packed_pixels(edit: Edit) -> bytes:
    """Return what an edit's box was and becomes."""
    known = edit.packed
    if known and known.before is edit.before and known.after is edit.after:
        return known.data
    # Each copy takes as long as the packing.
    pixels = np.stack([edit.before, edit.after]).astype("<i4", copy=False)
    return bytes(_ZSTD.encode(pixels))


def row_of(edit: Edit) -> dict[str, Any]:
    """Return the columns of an edit, without its image and state."""
    known: list[Mapping[int, str]] = [edit.sources_before, edit.sources_after]
    if edit.classes_before or edit.classes_after:
        known += [edit.classes_before, edit.classes_after]
    return {
        "name": edit.name,
        "author": edit.author,
        "made_at": edit.made_at,
        "start": json.dumps([int(low) for low in edit.start]),
        "shape": json.dumps(list(edit.before.shape)),
        "pixels": _packed_pixels(edit),
        "sources": json.dumps([dict(side) for side in known]),
        "notes": _packed_notes(edit),
    }


def edit_of(row: sqlite3.Row, *, has_pixels: bool = True) -> Edit:
    """Return the edit of a row; raises `ProjectError` if it is damaged.

    Without pixels, which take long to unpack, its box holds nothing but 0.
    """
    before, after = _pixels_of(row) if has_pixels else _no_pixels(row)
    known = [
        {int(cell): word for cell, word in side.items()}
        for side in json.loads(row["sources"])
    ]
    sources_before, sources_after, classes_before, classes_after = (
        known if len(known) == 4 else [*known, {}, {}]
    )
    notes_before, notes_after = _notes_of(row)
    return Edit(
        name=row["name"],
        start=tuple(json.loads(row["start"])),
        before=before,
        after=after,
        sources_before=sources_before,
        sources_after=sources_after,
        author=row["author"],
        made_at=row["made_at"],
        classes_before=classes_before,
        classes_after=classes_after,
        notes_before=notes_before,
        notes_after=notes_after,
    )


def edit_of_step(row: sqlite3.Row, *, has_pixels: bool = True) -> Edit:
    """Return what a step wrote: the edit, or its inverse for an undo; see `edit_of`."""
    edit = edit_of(row, has_pixels=has_pixels)
    return edit.inverted() if row["kind"] == "undo" else edit


def _no_pixels(row: sqlite3.Row) -> tuple[Labels, Labels]:
    """Return zeros in the shape of a row's box that take no memory."""
    shape = tuple(json.loads(row["shape"]))
    nothing = np.broadcast_to(np.zeros((), LABELS_DTYPE), shape)
    return nothing, nothing


def _pixels_of(row: sqlite3.Row) -> Labels:
    """Return what a row's box was and became, (2, *shape)."""
    shape = (2, *json.loads(row["shape"]))
    if math.prod(shape) == 0:  # Zstandard does not unpack what it packed of nothing
        return np.zeros(shape, LABELS_DTYPE)
    try:
        packed = np.frombuffer(_ZSTD.decode(row["pixels"]), "<i4")
        return packed.astype(LABELS_DTYPE).reshape(shape)
    except (RuntimeError, ValueError) as error:
        raise ProjectError(
            f"Step {row['id']} ('{row['name']}') of the project is damaged ({error}). "
            "Restore project.db from a backup."
        ) from error


def _packed_notes(edit: Edit) -> bytes:
    """Return what else an edit changes, nothing for most."""
    if edit.notes_before is None or edit.notes_after is None:
        return b""
    sides = [_plain(edit.notes_before), _plain(edit.notes_after)]
    return bytes(_ZSTD.encode(json.dumps(sides).encode()))


def _plain(notes: CellNotes) -> dict[str, Any]:
    """Return notes as JSON values."""
    areas = notes.areas
    return {
        "confidence": {int(cell): float(n) for cell, n in notes.confidence.items()},
        "states": {int(cell): state for cell, state in notes.states.items()},
        "areas": None if areas is None else [area_to_json(area) for area in areas],
    }


def _notes_of(row: sqlite3.Row) -> tuple[CellNotes | None, CellNotes | None]:
    """Return what else a row's edit changes; (None, None) for most."""
    if not row["notes"]:
        return None, None
    before, after = json.loads(_ZSTD.decode(row["notes"]))
    return _from_plain(before), _from_plain(after)


def _from_plain(values: Mapping[str, Any]) -> CellNotes:
    areas = values["areas"]
    return CellNotes(
        {int(cell): float(n) for cell, n in values["confidence"].items()},
        {int(cell): state for cell, state in values["states"].items()},
        None if areas is None else tuple(area_from_json(area) for area in areas),
    )
