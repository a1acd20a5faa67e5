"""The steps that lead from labels as they were kept to labels as they are."""

from __future__ import annotations

import numpy as np

from napari_cellseg.core.editing.edits import Edit, apply_edit
from napari_cellseg.core.editing.history import History
from napari_cellseg.core.types import Labels


def steps_since(kept: Labels, labels: Labels, history: History) -> list[Edit] | None:
    """Return the steps from `kept` to `labels`, in their order, or None if others do.

    Parameters
    ----------
    kept, labels : int32 array
        Before the first step of the history, and now; not changed.
    history : History
        Every step since `kept`; one that has dropped its oldest steps leads elsewhere.
    """
    if kept.shape != labels.shape:
        return None
    done, _ = history.edits()
    # A copy where there are steps: a layer shows these labels, and jobs read them meanwhile.
    before = labels.copy() if done else labels
    for edit in reversed(done):
        apply_edit(before, edit.inverted())
    return done if np.array_equal(before, kept) else None
