"""BBBC005: simulated cells whose file names carry well, count, blur, sample and stain.

Such as ``SIMCEPImages_A01_C1_F1_s01_w1.TIF``. The truth is the foreground of the sharp
images (F1) only; blurred images show the same scenes. Touching cells cannot be told apart
in it, so that labels are made where its pieces are as many as the name says.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import cc3d
import numpy as np

from napari_cellseg.core.errors import LabelsError
from napari_cellseg.io.datasets.source import Source, SourceImage, none_found
from napari_cellseg.io.exchange.cells import FoundLabels
from napari_cellseg.io.reading.images import read_image

NAME = re.compile(
    r"(?:SIMCEPImages_)?(?P<well>[A-P]\d{2})_C(?P<count>\d+)_F(?P<blur>\d+)"
    r"_s(?P<sample>\d+)_w(?P<stain>\d)\.tif",
    re.IGNORECASE,
)
TRUTH = re.compile(r"ground_?truth", re.IGNORECASE)


def find_bbbc005(folder: Path) -> Source:
    """Return the images of BBBC005 under a folder, with the truth under it as well.

    Raises
    ------
    ImageReadError
        If there is no image of such a name, or no truth for any.
    """
    truths, images = {}, []
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        match = NAME.fullmatch(path.name)
        if match and TRUTH.search(str(path.relative_to(folder).parent)):
            truths[_scene(match), match["stain"]] = path
        elif match:
            images.append((path, match))
    found, n_without = [], 0
    for path, match in images:
        truth = truths.get((_scene(match), match["stain"]))
        if truth is None:
            n_without += 1
            continue
        values = match.groupdict()
        found.append(
            SourceImage(
                path.stem,
                path,
                partial(_labels, truth, int(values["count"])),
                (truth,),
                group=f"BBBC005/{_scene(match)}",
                kind=f"BBBC005 w{values['stain']}",
                attributes={
                    "well": values["well"],
                    **{k: int(values[k]) for k in ("count", "blur", "sample", "stain")},
                },
            )
        )
    if not found:
        raise none_found(
            folder,
            "image such as SIMCEPImages_A01_C1_F1_s01_w1.TIF with its truth in a folder "
            "named ...ground_truth",
        )
    note = f"{n_without} images have no truth and were left out."
    return Source(tuple(found), (note,) if n_without else ())


def _scene(match: re.Match[str]) -> str:
    """Return what the images of one simulated scene share, whatever blur and stain."""
    return f"C{int(match['count'])}_s{int(match['sample'])}"


def _labels(path: Path, count: int, _: tuple[int, ...]) -> FoundLabels:
    """Return labels of a foreground whose pieces are as many as the cells."""
    foreground = read_image(path).plane()[0] > 0  # (y, x)
    pieces, n_pieces = cc3d.connected_components(
        foreground, connectivity=8, return_N=True
    )
    if n_pieces != count:
        raise LabelsError(
            f"The truth {path.name} has {n_pieces} pieces for {count} cells: some touch, "
            "and cannot be told apart. The image is left out."
        )
    return FoundLabels(np.asarray(pieces, np.int32))
