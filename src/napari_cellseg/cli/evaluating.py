"""True labels of folders against those that a segmenter finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.jobs import Job, run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.with_nuclei import check_two_channels
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, Labels
from napari_cellseg.io.datasets.dataset import Sample, pairs_in_folder, whole_samples
from napari_cellseg.nn.evaluate import evaluate, score_table, scores_by_kind


def evaluate_folders(
    folders: Sequence[Path],
    segmenter: Segmenter,
    options: SegmentOptions,
    split: str = "auto",
) -> Job[str]:
    """Return a table of figures as text, one line a kind and one for all.

    Parameters
    ----------
    folders : sequence of Path
        Folders of pairs, or data sets.
    segmenter : Segmenter
        Finds the cells.
    options : SegmentOptions
        How.
    split : str
        Side of the split of data sets; ``"auto"``: the test, or all if there is none.

    Raises
    ------
    ImageReadError
        If a folder holds no pair of image and labels, or one cannot be read.
    TrainingError
        If labels do not fit their image.
    ImageError
        If an image has several channels and none is named.
    OptionsError
        If nuclei are to be looked at, and the channel of the cells is not another one.
    """
    if options.nuclei_channel is not None:
        check_two_channels(options)
    samples = [s for folder in folders for s in whole_samples(_side(folder, split))]

    def predict(plane: NDArray[Any]) -> Labels:
        image = CellImage(plane, is_rgb=len(plane) == 3)
        return run(segmenter.segment(image, shown)).labels

    # What is predicted on is those channels alone.
    has_nuclei = options.nuclei_channel is not None
    channels = (0, 1) if has_nuclei else (None, None)
    shown = replace(options, channel=channels[0], nuclei_channel=channels[1])
    scores = yield from evaluate(
        predict, samples, options.channel, options.nuclei_channel
    )
    return score_table(scores_by_kind(scores))


def _side(folder: Path, split: str) -> list[Sample]:
    """Return the samples on one side of a split; raises where there is none."""
    samples = pairs_in_folder(folder)
    wanted = "test" if split == "auto" else split
    found = [one for one in samples if wanted in ("all", one.split)]
    if found:
        return found
    if split == "auto":
        return samples
    raise ImageReadError(
        f"'{folder}' has no image on the side '{split}'. Choose another, or part it with "
        "`cellseg dataset split`."
    )
