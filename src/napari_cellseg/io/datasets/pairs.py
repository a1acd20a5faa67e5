"""A folder of pairs: ``images/NAME.*`` and ``labels/NAME.*``, or both in one folder.

An ``index.csv`` beside them may say more of each image: ``name``, ``kind`` or ``type``,
``group`` or ``near_duplicate_group``, ``split``; its other columns become attributes.
"""

from __future__ import annotations

from pathlib import Path

from napari_cellseg.io.datasets.source import (
    Source,
    SourceImage,
    image_files,
    labels_reader,
    left_out,
    none_found,
)
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.plain_files import read_index
from napari_cellseg.io.reading.paths import stem_of

LABEL_FOLDERS = ("labels", "masks", "annotations", "gt", "label", "mask")
LABEL_ENDINGS: tuple[str, ...] = (
    "_labels",
    "_label",
    "_masks",
    "_mask",
    "_cp_masks",
    "",
)
INDEX_NAME = "index.csv"
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val"}
SPLITS |= {"test": "test", "benchmark": "test"}
USED = ("name", "kind", "type", "group", "near_duplicate_group", "split")


def find_pairs(folder: Path) -> Source:
    """Return the pairs of a folder.

    Raises
    ------
    ImageReadError
        If there is none.
    """
    pairs, lonely, unused = _pairs(folder)
    if not pairs:
        raise none_found(
            folder, "pair images/NAME.* and labels/NAME.* (or NAME.* and NAME_labels.*)"
        )
    rows = _index(folder / INDEX_NAME)
    images = []
    for image, labels in pairs:
        row = rows.get(image.name) or rows.get(image.stem) or {}
        kind = row.get("kind") or row.get("type") or folder.name
        group = row.get("group") or row.get("near_duplicate_group") or ""
        images.append(
            SourceImage(
                image.stem,
                image,
                labels_reader(labels),
                (labels,),
                # The numbers of groups may begin anew with each kind.
                group=f"{kind}/{group}" if group else "",
                kind=kind,
                split=SPLITS.get(row.get("split", "").lower(), ""),
                attributes={k: v for k, v in row.items() if k not in USED},
            )
        )
    notes = left_out(lonely, "no labels") + left_out(unused, "labels without an image")
    return Source(tuple(images), notes)


def _pairs(folder: Path) -> tuple[list[tuple[Path, Path]], list[Path], list[Path]]:
    """Return pairs of image and labels, images without labels, labels without image."""
    if (folder / "images").is_dir():
        images = list(image_files(folder / "images"))
        beside = [folder / name for name in LABEL_FOLDERS]
    else:
        images, beside = list(image_files(folder)), [folder]
    known = {
        stem_of(path): path for place in reversed(beside) for path in image_files(place)
    }
    if beside == [folder]:
        endings = tuple(ending for ending in LABEL_ENDINGS if ending)
        images = [path for path in images if not stem_of(path).endswith(endings)]
    else:
        endings = LABEL_ENDINGS
    found, lonely = [], []
    for image in images:
        stem = stem_of(image)
        labels = [known[stem + end] for end in endings if stem + end in known]
        if labels:
            found.append((image, labels[0]))
        else:
            lonely.append(image)
    stems = {stem_of(image) + ending for image in images for ending in endings}
    ours = {stem for stem in known if stem.endswith(endings)}
    return found, lonely, [known[stem] for stem in sorted(ours - stems)]


def _index(path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of an index by name, none if there is none."""
    if not path.is_file():
        return {}
    with translated(path.name):
        return {row["name"]: row for row in read_index(path) if row.get("name")}
