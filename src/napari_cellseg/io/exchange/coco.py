"""COCO annotations, in the style of LIVECell: polygons, and runs for cells with holes.

One file holds the cells of many images. Corners run along the sides of pixels; runs are
counted down the columns, as COCO does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ImageReadError, LabelsError, LimitError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.labels.placing import places_of_cells
from napari_cellseg.core.labels.rings import Polygon, pixels_in_polygon
from napari_cellseg.core.labels.rle import (
    coco_counts,
    packed_counts,
    places_of_coco,
    transposed,
    unpacked_counts,
)
from napari_cellseg.io.exchange.cells import (
    Cells,
    FoundCell,
    FoundLabels,
    labels_of_cells,
    what_is_lost,
)
from napari_cellseg.io.exchange.cells_file import check_plane, outlines_of
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.plain_files import read_json, write_json

DEFAULT_CLASS = "cell"
#: More pixels than any image of the format has.
MAX_PIXELS = 2**32


def write_coco(path: str | Path, cells: Cells) -> tuple[str, ...]:
    """Write the cells of one image; see `write_coco_images`."""
    return run(write_coco_images(path, [cells], 1))


def write_coco_images(
    path: str | Path, images: Iterable[Cells], n_images: int
) -> Job[tuple[str, ...]]:
    """Write the cells of images as one COCO file; return what was lost.

    Parameters
    ----------
    path : str or Path
        By custom it ends in ``.json``.
    images : iterable of Cells
        Labels (y, x). Those of a cell in one piece or several without holes are polygons,
        others runs.
    n_images : int
        How many there are at most, to tell how far it is.

    Raises
    ------
    LabelsError
        If labels are no single plane.
    SaveError
        If it cannot be written.
    """
    names = [DEFAULT_CLASS]
    annotations: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    lost: tuple[str, ...] = ()
    for number, cells in enumerate(images, start=1):
        yield Progress(number - 1, n_images, cells.image_name)
        check_plane(cells.labels.shape)
        height, width = cells.labels.shape
        lost = lost or what_is_lost(cells, "COCO", ("sources", "confidence", "classes"))
        entries.append(
            {
                "id": number,
                "file_name": cells.image_name,
                "height": height,
                "width": width,
            }
        )
        names = list(dict.fromkeys([*names, *cells.classes.values()]))
        for annotation in _annotations(cells, names):
            annotation["id"] = len(annotations) + 1
            annotation["image_id"] = number
            annotations.append(annotation)
    yield Progress(0, 0, f"writing {Path(path).name}")
    write_json(
        Path(path),
        {
            "info": {"description": "cells, made with napari-cellseg"},
            "images": entries,
            "annotations": annotations,
            "categories": [
                {"id": place, "name": name, "supercategory": "cell"}
                for place, name in enumerate(names, start=1)
            ],
        },
    )
    return lost


def _annotations(cells: Cells, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what COCO says of each cell of an image, without its number."""
    places = places_of_cells(cells.labels)
    found = []
    for cell, _, polygons in outlines_of(cells):
        corners = np.concatenate([rings[0] for rings in polygons])
        low, high = corners.min(axis=0), corners.max(axis=0)
        values: dict[str, Any] = {
            "category_id": names.index(cells.classes.get(cell, DEFAULT_CLASS)) + 1,
            "segmentation": _segmentation(polygons, places[cell], cells.labels.shape),
            "area": len(places[cell]),
            "bbox": [int(n) for n in (*low[::-1], *(high - low)[::-1])],
            "iscrowd": 0,
            "label": cell,
        }
        if cell in cells.sources:
            values["source"] = cells.sources[cell]
        if cell in cells.confidence:
            values["score"] = float(cells.confidence[cell])
        found.append(values)
    return found


def _segmentation(
    polygons: list[Polygon], places: NDArray[np.int64], shape: tuple[int, ...]
) -> Any:
    """Return polygons as lists x, y, x, y..., or runs where there are holes."""
    if all(len(rings) == 1 for rings in polygons):
        return [ring[:, ::-1].astype(np.int64).ravel().tolist() for (ring,) in polygons]
    height, width = shape
    counts = coco_counts(transposed(places, height, width), height * width)
    return {"size": [height, width], "counts": packed_counts(counts)}


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image that a COCO file names.

    Attributes
    ----------
    key : Any
        Its id in the file.
    file_name : str
        As it stands there; may name folders.
    shape_yx : tuple of int
        Its size, (0, 0) if the file does not say.
    """

    key: Any
    file_name: str
    shape_yx: tuple[int, int]

    @property
    def base_name(self) -> str:
        """The file name without folders of any system."""
        return PureWindowsPath(PurePosixPath(self.file_name).name).name


class CocoFile:
    """The content of a COCO file, in order by image.

    Parameters
    ----------
    path : str or Path
        The file; it is read whole.

    Attributes
    ----------
    images : list of CocoImage
        In the order of the file.

    Raises
    ------
    ImageReadError
        If it is no COCO file.
    LimitError
        If it is larger than `plain_files.LIMITS`.
    """

    def __init__(self, path: str | Path) -> None:
        self.name = Path(path).name
        content = read_json(Path(path))
        if not isinstance(content, dict) or not {"images", "annotations"} <= set(
            content
        ):
            raise ImageReadError(
                f"{self.name} has no 'images' and 'annotations', which COCO files have. "
                "Choose another file."
            )
        with translated(self.name):
            self.images = [_image(item) for item in _items(content["images"])]
            self._classes = {
                item["id"]: str(item.get("name", ""))
                for item in _items(content.get("categories") or [])
            }
            self._by_image: dict[Any, list[Mapping[str, Any]]] = {}
            for item in _items(content["annotations"]):
                self._by_image.setdefault(item["image_id"], []).append(item)

    @property
    def n_without_image(self) -> int:
        """Cells of images that the file does not list."""
        known = {one.key for one in self.images}
        return sum(
            len(cells)
            for number, cells in self._by_image.items()
            if number not in known
        )

    def image_named(self, name: str, shape_yx: tuple[int, ...]) -> CocoImage:
        """Return the image with a file name, or the only one there is.

        Raises
        ------
        ImageReadError
            If there is none of this name, or several.
        """
        wanted = [one for one in self.images if one.base_name == name] or [
            one for one in self.images if Path(one.base_name).stem == Path(name).stem
        ]
        if not wanted and len(self.images) == 1:
            wanted = self.images
        wanted = [one for one in wanted if one.shape_yx == shape_yx] or wanted
        if len(wanted) != 1:
            raise ImageReadError(
                f"{self.name} names {len(self.images)} images, and {len(wanted)} of them "
                f"'{name}'; one is needed. Choose the file that names this image."
            )
        return wanted[0]

    def labels_of(
        self, image: CocoImage, shape_yx: tuple[int, int] | None = None
    ) -> FoundLabels:
        """Return the cells of an image.

        Parameters
        ----------
        image : CocoImage
            One of `images`.
        shape_yx : tuple of int, optional
            Size of the image on disk; None: what the file says.

        Raises
        ------
        LabelsError
            If the file gives it another size, or a cell does not fit.
        ImageReadError
            If what it says of a cell cannot be understood.
        """
        said = image.shape_yx if all(image.shape_yx) else shape_yx
        if not said or (shape_yx and shape_yx != said):
            raise LabelsError(
                f"{self.name} gives '{image.file_name}' the size {said}, but the image has "
                f"{shape_yx} (rows, columns). Choose the file that was made of this image."
            )
        if said[0] * said[1] > MAX_PIXELS:
            raise LimitError(
                f"{self.name} gives '{image.file_name}' the size {said}, more than an "
                "image has. Export it again."
            )
        with translated(self.name):
            items = self._by_image.get(image.key, [])
            kept = [item for item in items if not item.get("iscrowd")]
            cells = [self._cell(item, said) for item in kept]
            crowds = [self._cell(item, said) for item in items if item.get("iscrowd")]
        if not crowds:
            return labels_of_cells(cells, said)
        note = f"{len(crowds)} crowds (many cells as one) were left out."
        found = labels_of_cells(cells, said, (note,))
        unknown = np.zeros(said, bool)
        for crowd in crowds:
            unknown.ravel()[crowd.places] = True
        return replace(found, unknown=unknown & (found.labels == 0))

    def _cell(self, item: Mapping[str, Any], shape_yx: tuple[int, int]) -> FoundCell:
        """Return an annotation as a cell."""
        label, source = item.get("label"), item.get("source")
        kind = self._classes.get(item.get("category_id"), "")
        return FoundCell(
            _places(item["segmentation"], shape_yx),
            label if isinstance(label, int) else None,
            source if source in ("model", "edited", "hand") else None,
            "" if kind == DEFAULT_CLASS else kind,
        )


def read_coco(path: str | Path, shape: tuple[int, ...], image_name: str) -> FoundLabels:
    """Read the cells of one image from a COCO file.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : tuple of int
        (y, x) of the image.
    image_name : str
        Its file name; a file that names one image only is taken whatever the name.

    Raises
    ------
    ImageReadError, LabelsError, LimitError
        As `CocoFile`, and if the image is not in it.
    """
    check_plane(shape)
    file = CocoFile(path)
    shape_yx = (shape[0], shape[1])
    return file.labels_of(file.image_named(image_name, shape_yx), shape_yx)


def _items(values: Any) -> list[Any]:
    """Return a list, or the values of a mapping: LIVECell writes both."""
    return list(values.values()) if isinstance(values, dict) else list(values)


def _image(item: Mapping[str, Any]) -> CocoImage:
    """Return an entry of the images."""
    size = (int(item.get("height") or 0), int(item.get("width") or 0))
    return CocoImage(item["id"], str(item.get("file_name", item["id"])), size)


def _places(segmentation: Any, shape_yx: tuple[int, int]) -> NDArray[np.int64]:
    """Return the pixels of polygons or runs."""
    if isinstance(segmentation, dict):
        return _places_of_runs(segmentation, shape_yx)
    parts = [
        pixels_in_polygon(
            [np.array(flat, np.float64).reshape(-1, 2)[:, ::-1]], shape_yx
        )
        for flat in segmentation
        if len(flat) >= 6  # LIVECell has a few without three corners
    ]
    if len(parts) == 1:
        return parts[0]
    return np.unique(np.concatenate([*parts, np.zeros(0, np.int64)]))


def _places_of_runs(
    runs: Mapping[str, Any], shape_yx: tuple[int, int]
) -> NDArray[np.int64]:
    """Return the pixels of runs down the columns."""
    height, width = (int(size) for size in runs["size"])
    if (height, width) != shape_yx:
        raise LabelsError(
            f"A cell has runs for an image of {height} × {width} pixels, but the image has "
            f"{shape_yx[0]} × {shape_yx[1]}. Choose the file that was made of this image."
        )
    counts = runs["counts"]
    numbers = unpacked_counts(counts) if isinstance(counts, str) else counts
    places = places_of_coco(numbers, height * width)
    return transposed(places, width, height)
