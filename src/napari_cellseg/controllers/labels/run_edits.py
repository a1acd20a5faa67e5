"""The edit from labels to those of a new run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.cell_index import CellIndex, IndexedLabels, labels_of
from napari_cellseg.core.editing.cell_notes import CellNotes, with_notes
from napari_cellseg.core.editing.checked import ReviewState
from napari_cellseg.core.editing.edits import (
    NUMBER_ANEW,
    Edit,
    Source,
    edit_on_labels,
    known_sources,
    with_sources,
)
from napari_cellseg.core.editing.numbering import moved_keys, moved_numbers
from napari_cellseg.core.editing.rerun import Merged
from napari_cellseg.core.labels.boxes import pixel_counts
from napari_cellseg.core.types import Labels


def run_edit(
    indexed: IndexedLabels, sources: Mapping[int, Source], merged: Merged, name: str
) -> Edit:
    """Return the edit from labels to those of a run, with the sources of all cells."""
    labels = labels_of(indexed)
    if merged.start and isinstance(indexed, CellIndex):
        return _region_edit(indexed, sources, merged, name)
    start = (0,) * labels.ndim
    edit = edit_on_labels(labels, merged.labels, start, name, sources, author="model")
    after: dict[int, Source] = {
        cell: "model" if cell in merged.confidence else source
        for cell, source in known_sources(merged.labels, sources).items()
    }
    return with_sources(edit, sources, after)


def _region_edit(
    index: CellIndex, sources: Mapping[int, Source], merged: Merged, name: str
) -> Edit:
    """Return the edit of a run on a crop; cells that live on keep their source."""
    edit = edit_on_labels(
        index, merged.labels, merged.start, name, sources, author="model"
    )
    changed = set(edit.changed_ids) | merged.confidence.keys()
    lost = pixel_counts(np.where(edit.before != edit.after, edit.before, 0))
    before = {cell: sources[cell] for cell in changed if cell in sources}
    after: dict[int, Source] = {
        cell: source
        for cell, source in before.items()
        if index.n_pixels(cell) > lost.get(cell, 0)
    }
    after.update(dict.fromkeys(merged.confidence, "model"))
    return with_sources(edit, before, after)


def notes_of_run(notes: CellNotes, merged: Merged) -> CellNotes:
    """Return what is known of cells after a run.

    A number may be given again: nobody has looked at the cell that has it now.
    """
    others = notes.without(set(merged.confidence))
    confidence = {**notes.confidence, **merged.confidence}
    return CellNotes(confidence, others.states, notes.areas)


def without_former(
    edit: Edit,
    confidence: Mapping[int, float],
    states: Mapping[int, ReviewState],
) -> Edit:
    """Return an edit whose new cells have nothing of former cells of their numbers.

    A number that is typed by hand may be that of a deleted cell, of which everything is
    still known, as undo may bring it back. An edit that has notes is returned as it is.

    One that numbers cells anew says what is known of each: undo, in any later session,
    also brings back what was known of former cells.
    """
    if moved := moved_numbers(edit):
        before = CellNotes(confidence, states)
        after = CellNotes(moved_keys(confidence, moved), moved_keys(states, moved))
        return with_notes(edit, before, after)
    if edit.author != "hand" or edit.name == NUMBER_ANEW or edit.notes_after:
        return edit
    new = edit.sources_after.keys() - edit.sources_before.keys()
    known = {cell: confidence[cell] for cell in new & confidence.keys()}
    said = {cell: states[cell] for cell in new & states.keys()}
    if not (known or said):
        return edit
    return replace(edit, notes_before=CellNotes(known, said), notes_after=CellNotes())


def is_bare(crop: Labels, mask: NDArray[np.bool_]) -> bool:
    """Say whether most of a deleted cell's place is still background."""
    return bool(2 * np.count_nonzero(crop[mask]) < np.count_nonzero(mask))
