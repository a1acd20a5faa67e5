"""Our own layout of a data set: ``images/``, ``labels/`` and ``dataset.json``.

The manifest says of every image where it came from, what it belongs with, and on which side
of the split it is. Labels are TIFFs of whole numbers, 0 is background; ``checked/`` holds a
mask for images of which a part only was looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.plain_files import read_json

MANIFEST_NAME = "dataset.json"
FORMAT = "cellseg dataset"
VERSION = 1
SPLITS = ("train", "val", "test")
#: What JSON gives for each type of the fields of `DatasetImage`.
KINDS = {
    "str": str,
    "int": int,
    "tuple[int, ...]": tuple,
    "Mapping[str, str]": dict,
    "Mapping[str, Any]": dict,
}


@dataclass(frozen=True, slots=True)
class DatasetImage:
    """An image of a data set.

    Attributes
    ----------
    name : str
        Different from that of all others; the stem of its files.
    image, labels : str
        Files, as paths from the data set's folder.
    checked : str
        Mask of what was looked at, "" if that is everything.
    group : str
        Images of one field, well or patient share it and never part in a split.
    kind : str
        Such as ``"phase contrast"``; figures are printed by kind.
    split : str
        One of `SPLITS`, "" if it has none.
    n_cells : int
        Number of cells.
    axes : str
        Of the image, such as ``"CYX"``.
    shape : tuple of int
        Sizes in the order of `axes`.
    dtype : str
        Of its values.
    sha256 : str
        Of the image's file, "" for a folder.
    source : mapping of str to str
        The files that image and labels came from, as paths from the folder imported.
    attributes : mapping
        What the source says of it: well, stain, plate...
    """

    name: str
    image: str
    labels: str
    checked: str = ""
    group: str = ""
    kind: str = ""
    split: str = ""
    n_cells: int = 0
    axes: str = "CYX"
    shape: tuple[int, ...] = ()
    dtype: str = ""
    sha256: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a data set holds.

    Attributes
    ----------
    name : str
        What it is called.
    images : tuple of DatasetImage
        In the order of their names.
    provenance : mapping
        Layout, folder and time of the import, and the version that made it.
    split : mapping
        How the split was made; empty if there is none.
    """

    name: str
    images: tuple[DatasetImage, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)

    def in_split(self, split: str) -> tuple[DatasetImage, ...]:
        """Return the images on one side of the split, or all for ``"all"``."""
        return tuple(one for one in self.images if split in ("all", one.split))


def is_dataset(folder: Path) -> bool:
    """Say whether a folder is a data set of this layout."""
    return (folder / MANIFEST_NAME).is_file()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest, whole or not at all; raises `SaveError`."""
    content = {"format": FORMAT, "version": VERSION, **asdict(manifest)}
    with replacing(folder / MANIFEST_NAME) as new:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        new.write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a data set.

    Raises
    ------
    ImageReadError
        If there is none, it is damaged, or names files outside of its folder.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        raise ImageReadError(
            f"'{folder}' has no {MANIFEST_NAME}, so it is no data set. Make one with "
            "`cellseg dataset import`."
        )
    content = read_json(path)
    with translated(str(path)):
        if content.get("format") != FORMAT or content.get("version") != VERSION:
            raise ImageReadError(
                f"'{path}' is of format {content.get('format')!r}, version "
                f"{content.get('version')!r}; '{FORMAT}', version {VERSION} is read here. "
                "Import the data set again."
            )
        images = tuple(
            _checked(replace(DatasetImage(**item), shape=tuple(item["shape"])))
            for item in content["images"]
        )
        manifest = Manifest(
            content["name"], images, content["provenance"], content["split"]
        )
    _check(path, manifest)
    return manifest


def _checked(one: DatasetImage) -> DatasetImage:
    """Return an image whose values are of their kinds; raises `TypeError`."""
    for item in fields(one):
        value, kind = getattr(one, item.name), KINDS[str(item.type)]
        if not isinstance(value, kind):
            raise TypeError(f"{item.name} is {value!r:.40}, no {kind.__name__}")
    if not all(isinstance(size, int) for size in one.shape):
        raise TypeError(f"shape is {one.shape!r:.40}, no whole numbers")
    return one


def _check(path: Path, manifest: Manifest) -> None:
    """Raise if names are given twice or lead elsewhere, or a split is unknown."""
    names = [one.name for one in manifest.images]
    if len(set(names)) != len(names):
        raise ImageReadError(
            f"'{path}' names an image twice. Import the data set again."
        )
    for one in manifest.images:
        for file in (one.image, one.labels, one.checked):
            parts = PurePosixPath(file)
            if parts.is_absolute() or ".." in parts.parts or "\\" in file:
                raise ImageReadError(
                    f"'{path}' names the file '{file}' outside of its folder; it is not "
                    "read. Import the data set again."
                )
        if one.split not in ("", *SPLITS):
            raise ImageReadError(
                f"'{path}' puts '{one.name}' into '{one.split}'; a split is "
                f"{', '.join(SPLITS)}. Split the data set again."
            )
