"""What was seen of the cells of one image, on disk: reasons to look at some, and gaps."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.core.editing.edits import NUMBER_ANEW, Source
from napari_cellseg.core.review.doubt_signs import NO_SIGNS, Signs
from napari_cellseg.core.review.missing_cells import MissingPlace
from napari_cellseg.project.cells.cell_facts import read_last_step
from napari_cellseg.project.database.database import told, transaction
from napari_cellseg.project.database.notes import Note

#: After such a step the cells are others, or have other numbers.
SINCE = """
SELECT 1 FROM steps JOIN edits ON edits.id = steps.edit WHERE steps.image = ?
AND steps.id > ? AND (edits.author = 'model' OR edits.name = ?) LIMIT 1
"""
#: What differs less is not read from the numbers.
DIGITS = 3


class SignNotes:
    """What was seen of the cells of an image; a later run replaces it.

    Shares of outlines that touch are left out: they are found anew in the labels.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of the project.
    folder : Path
        Of the project.
    image_id : int
        Of the image.
    """

    def __init__(
        self, connection: sqlite3.Connection, folder: Path, image_id: int
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._image_id = image_id
        self._note = Note(connection, folder, f"signs of image {image_id}")

    def write(self, signs: Signs, model_digest: str) -> None:
        """Replace what is known, and which model made the cells.

        Raises
        ------
        ProjectError
            If the project cannot be written.
        """
        with told(self._folder), transaction(self._connection):
            last_step, _ = read_last_step(self._connection, self._image_id)
            self._note.put(
                {
                    "last_step": last_step,
                    "model": model_digest,
                    "disagreement": _short(signs.disagreement),
                    "other_model": _short(signs.other_model),
                    "cut_off": sorted(map(int, signs.cut_off)),
                    "on_seam": sorted(map(int, signs.on_seam)),
                    "missing": None
                    if signs.missing is None
                    else [_plain(place) for place in signs.missing],
                }
            )

    def read(self, sources: Mapping[int, Source]) -> tuple[Signs, str]:
        """Return what is known, and which model made the cells ("" if not known).

        Parameters
        ----------
        sources : mapping of int to Source
            Of all cells: one that a person has corrected since is doubtful no more.

        Raises
        ------
        ProjectError
            If the project cannot be read.
        """
        found = self._note.read()
        if not found:
            return NO_SIGNS, ""
        since = (self._image_id, found["last_step"], NUMBER_ANEW)
        with told(self._folder):
            if self._connection.execute(SINCE, since).fetchone():
                return NO_SIGNS, ""
        missing = found["missing"]
        signs = Signs(
            {},
            _of_model(found["disagreement"], sources),
            frozenset(cell for cell in found["cut_off"] if _is_model(cell, sources)),
            frozenset(cell for cell in found["on_seam"] if _is_model(cell, sources)),
            None if missing is None else tuple(_place(one) for one in missing),
            _of_model(found["other_model"], sources),
        )
        return signs, str(found["model"])


def _short(values: Mapping[int, float]) -> dict[int, float]:
    return {int(cell): round(float(value), DIGITS) for cell, value in values.items()}


def _is_model(cell: int, sources: Mapping[int, Source]) -> bool:
    return sources.get(cell) == "model"


def _of_model(
    values: Mapping[str, float], sources: Mapping[int, Source]
) -> dict[int, float]:
    """Return the values of the cells that are as a model made them."""
    return {
        int(cell): value
        for cell, value in values.items()
        if _is_model(int(cell), sources)
    }


def _plain(place: MissingPlace) -> dict[str, Any]:
    return {
        "plane": list(map(int, place.plane)),
        "corner_yx": list(map(int, place.corner_yx)),
        "shape": list(place.mask.shape),
        "mask": base64.b64encode(np.packbits(place.mask).tobytes()).decode(),
        "score": round(float(place.score), DIGITS),
    }


def _place(values: Mapping[str, Any]) -> MissingPlace:
    rows, columns = values["shape"]
    packed = np.frombuffer(base64.b64decode(values["mask"]), np.uint8)
    mask = np.unpackbits(packed, count=rows * columns).astype(bool)
    y, x = values["corner_yx"]
    return MissingPlace(
        tuple(values["plane"]), (y, x), mask.reshape(rows, columns), values["score"]
    )
