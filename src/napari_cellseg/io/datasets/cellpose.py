"""Cellpose: ``NAME_img.*`` or ``NAME.*`` with ``NAME_masks.*`` or ``NAME_seg.npy``.

Folders ``train`` and ``test`` in it become sides of the split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from napari_cellseg.io.datasets.manifest import SPLITS
from napari_cellseg.io.datasets.source import (
    Source,
    SourceImage,
    image_files,
    labels_reader,
    left_out,
    none_found,
)
from napari_cellseg.io.exchange.cells import FoundLabels, fitted
from napari_cellseg.io.exchange.seg_npy import read_seg_npy

IMAGE_END, MASKS_END, SEG_END = "_img", "_masks", "_seg.npy"
OTHER_ENDS = (MASKS_END, "_flows", "_outlines", "_cp_output")


def find_cellpose(folder: Path) -> Source:
    """Return the pairs of a folder and of its ``train``, ``val`` and ``test``.

    Raises
    ------
    ImageReadError
        If there is none.
    """
    images: list[SourceImage] = []
    notes: tuple[str, ...] = ()
    for split in ("", *SPLITS):
        found = list(_in_folder(folder / split, split))
        images += found
        notes += _lonely(folder / split, found)
    if not images:
        raise none_found(folder, "NAME_img.* with NAME_masks.*, or NAME_seg.npy")
    return Source(tuple(images), notes)


def _lonely(folder: Path, found: Sequence[SourceImage]) -> tuple[str, ...]:
    """Return notes of images without labels and of labels without an image."""
    used = {one.image for one in found} | {f for one in found for f in one.labels_files}
    rest = [path for path in image_files(folder) if path not in used]
    masks = [path for path in rest if path.stem.endswith(MASKS_END)]
    segs = [path for path in sorted(folder.glob(f"*{SEG_END}")) if path not in used]
    stems = {one.image.stem + SEG_END for one in found}
    segs = [path for path in segs if path.name not in stems]
    images = [path for path in rest if not path.stem.endswith(OTHER_ENDS)]
    notes = left_out(images, "no labels")
    return notes + left_out([*masks, *segs], "labels without an image")


def _in_folder(folder: Path, split: str) -> Iterator[SourceImage]:
    """Yield the pairs of one folder."""
    files = list(image_files(folder))
    masks = {
        path.stem.removesuffix(MASKS_END).removesuffix("_cp"): path
        for path in files
        if path.stem.endswith(MASKS_END)
    }
    for image in files:
        if image.stem.endswith(OTHER_ENDS):
            continue
        name = image.stem.removesuffix(IMAGE_END)
        seg = image.with_name(image.stem + SEG_END)
        if name in masks:
            read, file = labels_reader(masks[name]), masks[name]
        elif seg.is_file():
            read, file = partial(_from_seg, seg), seg
        else:
            continue
        # Cellpose numbers train and test both from 000 on.
        full = f"{split}_{name}" if split else name
        yield SourceImage(full, image, read, (file,), kind="Cellpose", split=split)


def _from_seg(path: Path, shape: tuple[int, ...]) -> FoundLabels:
    """Return the labels of a ``_seg.npy``."""
    return fitted(read_seg_npy(path), shape, path.name)
