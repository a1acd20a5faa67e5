"""ImageJ ROIs, one or a zip of many, as the ROI Manager saves and opens them.

Corners run along the sides of pixels, as those of ImageJ's wand do. A cell with holes or in
pieces is a composite ROI.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_OPTIONS, ROI_TYPE, ImagejRoi

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.labels.rings import Polygon, pixels_in_polygon
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.exchange.cells import (
    Cells,
    FoundCell,
    FoundLabels,
    labels_of_cells,
    what_is_lost,
)
from napari_cellseg.io.exchange.cells_file import (
    CELL_NAME,
    cell_number,
    outlines_of,
    plane_places,
)
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.limits import check_n_bytes
from napari_cellseg.io.plain_files import LIMITS, read_bytes

#: ROIs with an area whose corners the file holds.
OUTLINED = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
MOVE, LINE, CLOSE = 0, 1, 4
#: Corners are 16-bit numbers in the ROI format; beyond, they are floats.
MAX_CORNER_PX = 60_000
LETTERS = {"T": "t", "Z": "z"}


def write_rois(path: str | Path, cells: Cells) -> tuple[str, ...]:
    """Write cells as a zip of ROIs; return what was lost.

    Parameters
    ----------
    path : str or Path
        By custom it ends in ``.zip``.
    cells : Cells
        2-D to 4-D. A cell on several planes becomes a ROI for each.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    with (
        replacing(path) as new,
        zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for cell, plane, polygons in outlines_of(cells):
            roi = _roi(polygons)
            place = dict(zip(cells.axes, plane, strict=False))
            roi.name = _name(cell, place)
            roi.t_position = place["T"] + 1 if "T" in place else 0
            roi.z_position = place["Z"] + 1 if "Z" in place else 0
            roi.position = plane[0] + 1 if len(plane) == 1 else 0
            archive.writestr(f"{roi.name}.roi", roi.tobytes())
    return what_is_lost(cells, "A ROI")


def _name(cell: int, place: dict[str, int]) -> str:
    """Return the name of a ROI, such as ``"cell 7 t1 z3"``, counted from 1 as in ImageJ."""
    where = [f"{LETTERS[axis]}{index + 1}" for axis, index in place.items()]
    return " ".join([CELL_NAME.format(cell), *where])


def _roi(polygons: list[Polygon]) -> ImagejRoi:
    """Return polygons as a ROI."""
    rings = [ring[:, ::-1] for rings in polygons for ring in rings]
    corners = np.concatenate(rings)
    if len(rings) == 1 and corners.max() <= MAX_CORNER_PX:
        roi = ImagejRoi.frompoints(corners.astype(np.int32))
        roi.roitype = ROI_TYPE.TRACED
        roi.right, roi.bottom = (int(high) for high in corners.max(axis=0))
        return roi
    roi = ImagejRoi()
    roi.roitype = ROI_TYPE.RECT
    roi.options = ROI_OPTIONS.OVERLAY_BACKGROUNDS | ROI_OPTIONS.OVERLAY_LABELS
    roi.left, roi.top = (int(low) for low in corners.min(axis=0))
    roi.right, roi.bottom = (int(high) for high in corners.max(axis=0))
    path = np.concatenate([_path(ring) for ring in rings]).astype(np.float32)
    roi.multi_coordinates = path
    roi.shape_roi_size = len(path)
    return roi


def _path(ring_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a closed ring as the steps of a path."""
    steps = np.full((len(ring_xy), 3), LINE, np.float64)
    steps[0, 0] = MOVE
    steps[:, 1:] = ring_xy
    return np.append(steps.ravel(), CLOSE)


def read_rois(path: str | Path, shape: tuple[int, ...], axes: str) -> FoundLabels:
    """Read cells from a ``.roi`` file or a zip of them.

    A ROI without a position lies on the first plane.

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
        If it is neither, or damaged, or holds no ROI with an area.
    LabelsError
        If a ROI lies on a plane that the image does not have.
    LimitError
        If it, or what is packed in it, is larger than `plain_files.LIMITS`.
    """
    file = Path(path)
    content = read_bytes(file)
    with translated(file.name):
        rois = _unpacked(file.name, content)
        counts = Counter(_has_area(roi) for roi in rois)
        if rois and not counts[True]:
            raise ImageReadError(
                f"{file.name} holds {len(rois)} ROIs and none with an area. Draw the cells "
                "as polygon, freehand, oval or rectangle selections."
            )
        cells = [_found_cell(roi, shape, axes) for roi in rois if _has_area(roi)]
        note = f"{counts[False]} ROIs without an area (points, lines) were left out."
        return labels_of_cells(cells, shape, (note,) if counts[False] else ())


def _unpacked(name: str, content: bytes) -> list[ImagejRoi]:
    """Return the ROIs of a file."""
    if content[:4] == b"Iout":
        return [ImagejRoi.frombytes(content)]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            packed = [item for item in entries if item.filename.endswith(".roi")]
            n_bytes = sum(item.file_size for item in packed)
            check_n_bytes(name, "what is packed in it", n_bytes, LIMITS, "Split it.")
            rois = []
            for item in packed:
                roi = ImagejRoi.frombytes(archive.read(item))
                # The ROI Manager renames entries of the zip, not what is in them.
                roi.name = Path(item.filename).stem
                rois.append(roi)
    except zipfile.BadZipFile as error:
        raise ImageReadError(
            f"{name} is neither an ImageJ ROI nor a zip of them ({error}). Save it again "
            "in the ROI Manager (More > Save)."
        ) from error
    if entries and not rois:
        raise ImageReadError(
            f"{name} is a zip without a .roi file. Choose one that the ROI Manager saved."
        )
    return rois


def _has_area(roi: ImagejRoi) -> bool:
    """Say whether a ROI can be a cell."""
    return roi.roitype in (*OUTLINED, ROI_TYPE.RECT, ROI_TYPE.OVAL) and not roi.text


def _found_cell(roi: ImagejRoi, shape: tuple[int, ...], axes: str) -> FoundCell:
    """Return a ROI as a cell in the labels of an image."""
    place = {"Z": roi.z_position, "T": roi.t_position}
    plane = tuple(max(place.get(axis, 0) - 1, 0) for axis in axes[:-2])
    if roi.position and not (roi.z_position or roi.t_position):
        plane = _plane_at(roi.position - 1, shape[:-2])
    start, shape_yx = plane_places(plane, shape, f"The ROI '{roi.name}'")
    if roi.roitype is ROI_TYPE.OVAL:
        places = _oval_places(roi, shape_yx)
    else:
        rings = [ring[:, ::-1] for ring in roi.coordinates(multi=True)]
        places = pixels_in_polygon(rings, shape_yx)
    return FoundCell(places + start, cell_number(roi.name))


def _plane_at(position: int, lead: tuple[int, ...]) -> tuple[int, ...]:
    """Return the plane at a place in a stack; one that is not there stays what it is."""
    if not lead:
        return ()
    if not 0 <= position < int(np.prod(lead)):
        return (position,) * len(lead)
    return tuple(int(index) for index in np.unravel_index(position, lead))


def _oval_places(roi: ImagejRoi, shape_yx: tuple[int, int]) -> NDArray[np.int64]:
    """Return the pixels whose centres lie in an ellipse."""
    top, bottom = max(roi.top, 0), min(roi.bottom, shape_yx[0])
    left, right = max(roi.left, 0), min(roi.right, shape_yx[1])
    y, x = np.mgrid[top : max(bottom, top), left : max(right, left)]
    height, width = roi.bottom - roi.top, roi.right - roi.left
    away = ((2 * (y + 0.5 - roi.top) / height - 1) ** 2) + (
        (2 * (x + 0.5 - roi.left) / width - 1) ** 2
    )
    inside = away < 1
    places: NDArray[np.int64] = y[inside].astype(np.int64) * shape_yx[1] + x[inside]
    return places
