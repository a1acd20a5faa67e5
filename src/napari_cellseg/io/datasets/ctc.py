"""Cell Tracking Challenge: ``01/t000.tif`` with ``01_GT/SEG/man_seg000.tif``.

SEG holds whole cells, of some frames, or of some planes of them (``man_seg_007_012.tif``:
frame 7, plane 12); in some sets not every cell of a frame. TRA holds markers of all cells of
all frames: they are taken only for a sequence without SEG. Frames of a sequence are one
group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from napari_cellseg.io.datasets.source import (
    Source,
    SourceImage,
    image_files,
    labels_reader,
    none_found,
)

FRAME = re.compile(r"t(\d{3,4})")
SEG = re.compile(r"man_seg_?(\d{3,4})(?:_(\d{3,4}))?")
TRA = re.compile(r"man_track(\d{3,4})")
TRA_NOTE = (
    "Sequence {} has markers (TRA) and no whole cells (SEG): the labels are smaller than "
    "the cells."
)


def find_ctc(folder: Path) -> Source:
    """Return the frames with truth of one set, such as ``Fluo-N2DH-SIM+``.

    Raises
    ------
    ImageReadError
        If there is none.
    """
    images: list[SourceImage] = []
    notes = []
    for place in sorted(folder.glob("[0-9][0-9]")):
        truth = folder / f"{place.name}_GT"
        found = list(_frames(folder, place, truth / "SEG", SEG))
        if not found:
            found = list(_frames(folder, place, truth / "TRA", TRA))
            notes += [TRA_NOTE.format(place.name)] if found else []
        images += found
    if not images:
        raise none_found(folder, "frame 01/t000.tif with 01_GT/SEG/man_seg000.tif")
    return Source(tuple(images), tuple(notes))


def _frames(
    folder: Path, place: Path, truth: Path, pattern: re.Pattern[str]
) -> Iterator[SourceImage]:
    """Yield the frames of a sequence that have a truth of one kind."""
    frames = {
        int(match[1]): path
        for path in image_files(place)
        if (match := FRAME.fullmatch(path.stem))
    }
    for path in image_files(truth):
        match = pattern.fullmatch(path.stem)
        if match is None or int(match[1]) not in frames:
            continue
        plane = match[2] if pattern is SEG else None
        behind = "" if plane is None else f"_z{plane}"
        yield SourceImage(
            f"{place.name}_t{match[1]}{behind}",
            frames[int(match[1])],
            labels_reader(path),
            (path,),
            group=f"{folder.name}/{place.name}",
            kind=folder.name,
            axes="ZYX",
            plane=() if plane is None else (int(plane),),
            attributes={"sequence": place.name, "frame": int(match[1])},
        )
