"""The edit from labels to those of a new run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from napari_cellseg.core.edits import Edit, Source, edit_on_labels
from napari_cellseg.core.label_arrays import known_sources
from napari_cellseg.core.rerun import Merged
from napari_cellseg.core.types import Labels


def run_edit(
    labels: Labels, sources: Mapping[int, Source], merged: Merged, name: str
) -> Edit:
    """Return the edit from labels to those of a run, with the sources of all cells."""
    start = (0,) * labels.ndim
    edit = edit_on_labels(labels, merged.labels, start, name, sources, author="model")
    before, after = _sources_of_run(sources, merged)
    return replace(edit, sources_before=before, sources_after=after)


def _sources_of_run(
    sources: Mapping[int, Source], merged: Merged
) -> tuple[dict[int, Source], dict[int, Source]]:
    """Return the sources that a run changes, before and after."""
    after: dict[int, Source] = {
        cell: "model" if cell in merged.confidence else source
        for cell, source in known_sources(merged.labels, sources).items()
    }
    changed = {
        cell
        for cell in sources.keys() | after.keys()
        if sources.get(cell) != after.get(cell)
    }
    return (
        {cell: source for cell, source in sources.items() if cell in changed},
        {cell: source for cell, source in after.items() if cell in changed},
    )
