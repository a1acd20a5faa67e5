"""GeoJSON as QuPath writes and reads it: one feature a cell and plane.

Corners are (x, y) in pixels and run along the sides of pixels, so that the cells come back
pixel by pixel. QuPath (0.4 and later) keeps the id (a UUID), the name, the classification
and the measurements of an object, and from 0.5 on its metadata.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast, get_args

import numpy as np

from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.labels.rings import Polygon, Ring, pixels_in_polygon
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.exchange.cells import (
    Cells,
    FoundCell,
    FoundLabels,
    labels_of_cells,
)
from napari_cellseg.io.exchange.cells_file import (
    CELL_NAME,
    cell_number,
    outlines_of,
    plane_places,
)
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.plain_files import read_json

#: What QuPath calls things that can be a cell, the most telling first. An object of a lower
#: rank in a file with higher ones is a region drawn around them, and no cell.
RANKS = {
    "cell": 0,
    "PathCellObject": 0,
    "detection": 1,
    "PathDetectionObject": 1,
    "annotation": 2,
    "PathAnnotationObject": 2,
    "unknown": 2,
}
CONFIDENCE = "Confidence"
#: Text of numbers hardly gets smaller at higher ones, which take several times as long.
GZIP_LEVEL = 4


def write_geojson(path: str | Path, cells: Cells) -> tuple[str, ...]:
    """Write cells as a FeatureCollection for QuPath; nothing is lost.

    Parameters
    ----------
    path : str or Path
        By custom it ends in ``.geojson``.
    cells : Cells
        2-D to 4-D. A cell on several planes becomes a feature for each.

    Returns
    -------
    tuple of str
        Always empty.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    write_features(path, (feature_of(cells, *each) for each in outlines_of(cells)))
    return ()


def write_features(path: str | Path, features: Iterable[Mapping[str, Any]]) -> None:
    """Write features one after the other, so that one is held; whole or not at all.

    Parameters
    ----------
    path : str or Path
        Compressed if it ends in ``.gz``, which QuPath reads from 0.4 on.
    features : iterable of mapping
        See `feature_of`.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    with replacing(path) as new, _text_file(new) as file:
        file.write('{"type": "FeatureCollection", "features": [')
        before = "\n"
        for feature in features:
            text = json.dumps(feature, ensure_ascii=False, allow_nan=False)
            file.write(before + text)
            before = ",\n"
        file.write("\n]}\n")


def _text_file(path: Path) -> TextIO:
    """Open a file to be written, compressed if its name says so."""
    if path.suffix == ".gz":
        return cast("TextIO", gzip.open(path, "wt", GZIP_LEVEL, encoding="utf-8"))
    return path.open("w", encoding="utf-8")


def feature_of(
    cells: Cells, cell: int, plane: tuple[int, ...], polygons: list[Polygon]
) -> dict[str, Any]:
    """Return a cell on a plane as a feature; of `cells` the labels are not looked at."""
    numbers = dict(cells.measurements.get((cell, plane), {}))
    if cell in cells.confidence:
        numbers[CONFIDENCE] = float(cells.confidence[cell])
    source = cells.sources.get(cell)
    properties: dict[str, Any] = {
        "objectType": "cell",
        "name": CELL_NAME.format(cell),
        **({"measurements": numbers} if numbers else {}),
        **({"metadata": {"source": source}} if source else {}),
    }
    if cell in cells.classes:
        properties["classification"] = {"name": cells.classes[cell]}
    named = f"napari-cellseg/{cells.image_name}/{cell}/{plane}"
    return {
        "type": "Feature",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, named)),
        "geometry": _geometry(polygons, dict(zip(cells.axes, plane, strict=False))),
        "properties": properties,
    }


def _geometry(polygons: list[Polygon], place: Mapping[str, int]) -> dict[str, Any]:
    """Return polygons as a geometry on the plane of QuPath that T and Z name."""
    plane = {"c": -1, "z": place.get("Z", 0), "t": place.get("T", 0)}
    coordinates = [[_closed(ring) for ring in rings] for rings in polygons]
    return {
        "type": "Polygon" if len(polygons) == 1 else "MultiPolygon",
        **({"plane": plane} if place else {}),
        "coordinates": coordinates[0] if len(polygons) == 1 else coordinates,
    }


def _closed(ring: Ring) -> list[list[int]]:
    """Return corners (x, y), the first again at the end, as GeoJSON wants it."""
    corners = np.rint(ring[:, ::-1]).astype(np.int64).tolist()
    return [*corners, corners[0]]


@dataclass(frozen=True, slots=True, eq=False)
class _Object:
    """A feature with an area."""

    geometry: Mapping[str, Any]
    properties: Mapping[str, Any]
    rank: int


def read_geojson(path: str | Path, shape: tuple[int, ...], axes: str) -> FoundLabels:
    """Read cells from GeoJSON.

    Of a file that holds cells or detections, annotations are left out: they are regions.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : tuple of int
        Of the labels of the image that the cells lie on.
    axes : str
        One letter for each of `shape`.

    Raises
    ------
    ImageReadError
        If it is no GeoJSON, or holds no area.
    LabelsError
        If a cell lies on a plane that the image does not have, or is no polygon.
    LimitError
        If it is larger than `plain_files.LIMITS`.
    """
    file = Path(path)
    content = read_json(file)
    with translated(file.name):
        counts: Counter[str] = Counter()
        objects = list(_objects(content, counts))
        if not objects and not _is_empty_collection(content):
            raise ImageReadError(
                f"{file.name} holds no polygon. Export the cells from QuPath as GeoJSON "
                "(File > Export objects), or choose another file."
            )
        best = min((item.rank for item in objects), default=0)
        kept = [item for item in objects if item.rank == best or item.rank < 2]
        counts["region"] = len(objects) - len(kept)
        cells = [_found_cell(item, shape, axes) for item in kept]
        return labels_of_cells(cells, shape, _notes(counts))


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """A region that a person drew.

    Attributes
    ----------
    name, kind : str
        What it is called, and its class; "" if the file does not say.
    polygons : list of polygons
        Rings of corners (y, x) in pixels of the full resolution.
    """

    name: str
    kind: str
    polygons: list[Polygon]


def read_annotations(path: str | Path) -> list[Annotation]:
    """Return the annotations of a file of QuPath; cells and points are left out.

    Raises
    ------
    ImageReadError
        If it is no GeoJSON, or holds no annotation with an area.
    LimitError
        If it is larger than files may be.
    """
    file = Path(path)
    content = read_json(file)
    with translated(file.name):
        found = [
            Annotation(
                str(item.properties.get("name") or ""),
                _class(item.properties.get("classification")),
                [_rings(rings) for rings in _polygons(item.geometry)],
            )
            for item in _objects(content, Counter())
            if item.rank == RANKS["annotation"]
        ]
    if not found:
        raise ImageReadError(
            f"{file.name} holds no annotation with an area. Draw some in QuPath and export "
            "them as GeoJSON (File > Export objects)."
        )
    return found


def _polygons(geometry: Mapping[str, Any]) -> list[Any]:
    """Return the polygons of a geometry as the file has them."""
    coordinates = geometry["coordinates"]
    return [coordinates] if geometry["type"] == "Polygon" else coordinates


def _is_empty_collection(content: Any) -> bool:
    """Say whether a file says that there is no cell."""
    return isinstance(content, dict) and content.get("features") == []


def _objects(content: Any, counts: Counter[str]) -> Iterator[_Object]:
    """Yield the features with an area, also those inside others; count the rest."""
    if isinstance(content, list):
        for item in content:
            yield from _objects(item, counts)
    elif isinstance(content, dict) and "features" in content:
        yield from _objects(content["features"], counts)
    elif isinstance(content, dict) and "geometry" in content:
        properties = content.get("properties") or {}
        kind = properties.get("objectType") or properties.get("object_type")
        kind = kind or content.get("id") or "unknown"
        rank = RANKS.get(kind, None if properties.get("objectType") else 2)
        geometry = content["geometry"] or {}
        if rank is None or geometry.get("type") not in ("Polygon", "MultiPolygon"):
            counts["other"] += 1
        else:
            yield _Object(geometry, properties, rank)
        yield from _objects(properties.get("childObjects") or [], counts)


def _found_cell(item: _Object, shape: tuple[int, ...], axes: str) -> FoundCell:
    """Return a feature as a cell in the labels of an image."""
    named = item.geometry.get("plane") or {}
    place = {"Z": int(named.get("z", 0)), "T": int(named.get("t", 0))}
    plane = tuple(place.get(axis, 0) for axis in axes[:-2])
    label = str(item.properties.get("name") or "A cell")
    start, shape_yx = plane_places(plane, shape, label)
    polygons = [_rings(rings) for rings in _polygons(item.geometry)]
    parts = [pixels_in_polygon(rings, shape_yx) for rings in polygons]
    places = parts[0] if len(parts) == 1 else np.unique(np.concatenate([*parts, []]))
    return FoundCell(
        places.astype(np.int64) + start,
        cell_number(item.properties.get("name")),
        _source(item.properties.get("metadata")),
        _class(item.properties.get("classification")),
    )


def _rings(rings: Any) -> Polygon:
    """Return the rings of a polygon as corners (y, x)."""
    return [
        np.array([corner[:2] for corner in ring], np.float64).reshape(-1, 2)[:, ::-1]
        for ring in rings
    ]


def _source(metadata: Any) -> Source | None:
    """Return who made a cell, if the file says so."""
    said = metadata.get("source") if isinstance(metadata, dict) else None
    return said if said in get_args(Source) else None


def _class(classification: Any) -> str:
    """Return the class of an object: a name, or the names that QuPath puts together."""
    if not isinstance(classification, dict):
        return classification if isinstance(classification, str) else ""
    names = classification.get("names") or [classification.get("name") or ""]
    return ": ".join(str(name) for name in names)


def _notes(counts: Counter[str]) -> tuple[str, ...]:
    """Return what the person should know."""
    notes = []
    if counts["region"]:
        notes.append(
            f"{counts['region']} annotations were left out, as the file holds cells."
        )
    if counts["other"]:
        notes.append(
            f"{counts['other']} objects without an area (points, lines) were left out."
        )
    return tuple(notes)
