"""COCO annotations with their images; LIVECell's names carry cell line, well and field."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.datasets.source import (
    Source,
    SourceImage,
    index_images,
    none_found,
)
from napari_cellseg.io.exchange.cells import FoundLabels
from napari_cellseg.io.exchange.coco import CocoFile, CocoImage

#: Such as A172_Phase_C7_1_00d00h00m_2.tif: line, well, field of the well, time, crop.
LIVECELL = re.compile(
    r"(?P<line>[A-Za-z0-9]+)_Phase_(?P<well>[A-H]\d+)_(?P<field>\d+)_"
    r"(?P<time>\d+d\d+h\d+m)_(?P<crop>\d+)"
)
SPLIT = re.compile(r"(?:^|[_-])(train|val|test)(?:2?\d*)(?:[_-]|$)", re.IGNORECASE)


def find_coco(path: Path) -> Source:
    """Return the images of a COCO file, or of all under a folder.

    Images are looked for under the folder (of a file: its own, and the one above) by name.

    Raises
    ------
    ImageReadError
        If there is no COCO file, or none of its images.
    """
    if path.is_file():
        files, places = [path], [path.parent, path.parent.parent]
    else:
        files, places = sorted(path.rglob("*.json")), [path]
    here = index_images(places[0])
    images: list[SourceImage] = []
    n_missing = n_lost = 0
    for file in files:
        content = _opened(file, is_only=len(files) == 1)
        if content is None:
            continue
        n_lost += content.n_without_image
        for one in content.images:
            if one.base_name not in here and len(places) > 1:
                here = {**index_images(places.pop()), **here}
            if one.base_name in here:
                images.append(_image(file, content, one, here[one.base_name]))
            else:
                n_missing += 1
    if not images:
        raise none_found(path, "COCO file (*.json) with its images beside it")
    notes = (
        (n_missing, "images of the annotations are not there: left out."),
        (n_lost, "cells belong to no image of their file: left out."),
    )
    return Source(tuple(images), tuple(f"{n} {words}" for n, words in notes if n))


def _opened(file: Path, *, is_only: bool) -> CocoFile | None:
    """Return a COCO file; another JSON among several is passed over."""
    try:
        return CocoFile(file)
    except ImageReadError:
        if is_only:
            raise
        return None


def _image(file: Path, content: CocoFile, one: CocoImage, path: Path) -> SourceImage:
    """Return an image of a COCO file."""
    stem = Path(one.base_name).stem
    split = SPLIT.search(file.stem)
    livecell = LIVECELL.fullmatch(stem)
    values = {} if livecell is None else livecell.groupdict()
    return SourceImage(
        stem,
        path,
        partial(_labels, content, one),
        (file,),
        group=f"{values['line']}/{values['well']}" if values else "",
        kind=values.get("line", "COCO"),
        split=split[1].lower() if split else "",
        attributes=values,
    )


def _labels(content: CocoFile, one: CocoImage, shape: tuple[int, ...]) -> FoundLabels:
    """Return the cells of an image."""
    return content.labels_of(one, (shape[-2], shape[-1]))
