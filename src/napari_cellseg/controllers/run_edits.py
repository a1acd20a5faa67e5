"""The edit from labels to those of a new run."""

from __future__ import annotations

from collections.abc import Mapping

from napari_cellseg.core.edits import Edit, Source, edit_on_labels, with_sources
from napari_cellseg.core.label_arrays import known_sources
from napari_cellseg.core.rerun import Merged
from napari_cellseg.core.types import Labels


def run_edit(
    labels: Labels, sources: Mapping[int, Source], merged: Merged, name: str
) -> Edit:
    """Return the edit from labels to those of a run, with the sources of all cells."""
    start = (0,) * labels.ndim
    edit = edit_on_labels(labels, merged.labels, start, name, sources, author="model")
    after: dict[int, Source] = {
        cell: "model" if cell in merged.confidence else source
        for cell, source in known_sources(merged.labels, sources).items()
    }
    return with_sources(edit, sources, after)
