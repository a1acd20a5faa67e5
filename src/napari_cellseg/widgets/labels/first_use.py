"""What is compiled at its first use is used once, before the window would wait for it."""

from __future__ import annotations

import numpy as np

from napari_cellseg.controllers.labels.cell_tools import CellTools
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.core.editing.rerun import merge_run
from napari_cellseg.core.labels.contours import contours
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import LABELS_DTYPE, SegmentationResult
from napari_cellseg.widgets.labels.label_look import bright_colours

SIDE_PX = 32


def use_once() -> None:
    """Outline, colour, merge and correct two cells that nobody sees; on any thread.

    What was compiled is kept on disk: this takes seconds once, and a moment in each later
    session.
    """
    labels = np.zeros((SIDE_PX, SIDE_PX), LABELS_DTYPE)
    labels[2:20, 2:12], labels[2:20, 12:24] = 1, 2
    bright_colours()._data_to_texture(contours(labels, 1))
    sure = np.ones(2, np.float32)
    run = SegmentationResult(labels, sure, "", "", SegmentOptions())
    proofread = ProofreadController()
    proofread.open(merge_run(labels, run, keep=[1]).labels)
    tools, whole = CellTools(proofread), np.array([(0, 0), (0, 30), (30, 30), (30, 0)])
    tools.check_area(whole, ())
    tools.split(np.array([(0.0, 6.0), (25.0, 6.0)]), ())
    proofread.undo()
    tools.merge([1, 2], ())
    tools.delete_region(whole, ())
    proofread.kept_empty  # noqa: B018 - what was deleted is looked up when it is asked for
