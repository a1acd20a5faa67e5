"""Cells to files of other programs and back: the very same pixels, and nothing unsaid."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from roifile import ROI_TYPE, ImagejRoi, roiread

from napari_cellseg.core.errors import CellsegError, ImageReadError, LabelsError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.types import PixelSize
from napari_cellseg.io.exchange.cells import Cells, measurements_of
from napari_cellseg.io.exchange.coco import CocoFile, write_coco_images
from napari_cellseg.io.exchange.formats import (
    FORMATS,
    ImageFrame,
    dialog_filter,
    format_named,
    format_of,
    image_stem,
    read_cells,
)
from napari_cellseg.io.reading.images import read_labels

LABELS = np.zeros((12, 15), np.int32)
LABELS[1:6, 1:6] = 3
LABELS[3, 3] = 0  # a hole
LABELS[1:6, 6:9] = 7  # touches 3
LABELS[8:10, 1:4] = 9
LABELS[9:11, 8:12] = 9  # in two pieces
EVERY = [one.name for one in FORMATS]
STACKS = ["tiff", "zarr", "roi", "geojson"]


def frame(labels: np.ndarray, axes: str = "YX") -> ImageFrame:
    return ImageFrame(labels.shape, axes, "a.tif")


def back(folder: Path, name: str, cells: Cells) -> Any:
    """Write cells and read them again."""
    one = format_named(name)
    path = folder / f"a{one.suffix}"
    one.write(path, cells)
    return read_cells(path, frame(cells.labels, cells.axes))


@pytest.mark.parametrize("name", [name for name in EVERY if name != "seg"])
def test_holes_pieces_and_neighbours_come_back(tmp_path: Path, name: str) -> None:
    found = back(tmp_path, name, Cells(LABELS, image_name="a.tif"))

    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.labels.dtype == np.int32
    assert found.notes == ()


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("axes", ["ZYX", "TYX", "TZYX"])
def test_a_cell_keeps_its_id_through_planes(
    tmp_path: Path, name: str, axes: str
) -> None:
    lead = {"ZYX": (3,), "TYX": (3,), "TZYX": (2, 3)}[axes]
    labels = np.zeros((*lead, 12, 15), np.int32)
    labels[..., 1, :, :] = LABELS
    labels[..., -1, :, :] = np.roll(LABELS, 1, axis=1)

    found = back(tmp_path, name, Cells(labels, axes, "a.tif"))

    np.testing.assert_array_equal(found.labels, labels)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    labels=arrays(
        np.int32,
        st.tuples(st.integers(1, 8), st.integers(1, 8)),
        elements=st.integers(0, 4),
    ),
    name=st.sampled_from(["roi", "geojson", "coco"]),
)
def test_any_labels_come_back(tmp_path: Path, labels: np.ndarray, name: str) -> None:
    found = back(tmp_path, name, Cells(labels, image_name="a.tif"))

    np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize("name", EVERY)
def test_no_cell_is_no_error(tmp_path: Path, name: str) -> None:
    empty = np.zeros((5, 6), np.int32)

    found = back(tmp_path, name, Cells(empty, image_name="a.tif"))

    np.testing.assert_array_equal(found.labels, empty)


@pytest.mark.parametrize("name", ["geojson", "coco"])
def test_who_made_a_cell_and_its_class_come_back(tmp_path: Path, name: str) -> None:
    cells = Cells(
        LABELS,
        image_name="a.tif",
        sources={3: "hand", 7: "model", 9: "edited"},
        confidence={7: 0.75},
        classes={3: "Tumor"},
    )

    found = back(tmp_path, name, cells)

    assert found.sources == cells.sources
    assert found.classes == {3: "Tumor"}


@pytest.mark.parametrize("name", ["tiff", "zarr", "roi", "seg"])
def test_what_a_format_cannot_hold_is_said(tmp_path: Path, name: str) -> None:
    one = format_named(name)
    cells = Cells(LABELS, sources={3: "hand"}, confidence={3: 0.5})

    notes = one.write(tmp_path / f"a{one.suffix}", cells)

    assert any("does not hold" in note and "the confidence" in note for note in notes)


@pytest.mark.parametrize("name", ["tiff", "zarr"])
def test_the_pixel_size_comes_back(tmp_path: Path, name: str) -> None:
    one = format_named(name)
    path = tmp_path / f"a{one.suffix}"
    one.write(path, Cells(LABELS, pixel_size=PixelSize(0.5, 0.25)))

    assert read_labels(path)[1] == PixelSize(0.5, 0.25)


def test_geojson_is_what_qupath_expects(tmp_path: Path) -> None:
    table = measure_cells(None, LABELS)
    cells = Cells(
        LABELS,
        image_name="a.tif",
        classes={3: "Tumor"},
        confidence={3: 0.5},
        measurements=measurements_of(table),
    )
    path = tmp_path / "a.geojson"

    format_named("geojson").write(path, cells)

    content = json.loads(path.read_text())
    assert content["type"] == "FeatureCollection"
    holed, plain, parted = content["features"]
    assert holed["properties"]["objectType"] == "cell"
    assert holed["properties"]["classification"] == {"name": "Tumor"}
    assert holed["properties"]["measurements"]["area_px"] == 24
    assert holed["properties"]["measurements"]["Confidence"] == 0.5
    assert holed["geometry"]["type"] == "Polygon"
    assert len(holed["geometry"]["coordinates"]) == 2
    assert (
        plain["geometry"]["coordinates"][0][0]
        == plain["geometry"]["coordinates"][0][-1]
    )
    assert sorted(map(tuple, plain["geometry"]["coordinates"][0][:-1])) == [
        (6, 1), (6, 6), (9, 1), (9, 6)
    ]  # fmt: skip
    assert parted["geometry"]["type"] == "MultiPolygon"
    assert len({one["id"] for one in content["features"]}) == 3


def feature(kind: str, corners: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": {"objectType": kind, **properties},
    }


SQUARE = [[1, 1], [4, 1], [4, 3], [1, 3], [1, 1]]


def test_regions_around_cells_are_no_cells(tmp_path: Path) -> None:
    whole = [[0, 0], [15, 0], [15, 12], [0, 12], [0, 0]]
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}}
    path = tmp_path / "a.geojson"
    path.write_text(
        json.dumps([feature("annotation", whole), feature("detection", SQUARE), point])
    )

    found = read_cells(path, frame(LABELS))

    assert int((found.labels > 0).sum()) == 6
    assert found.notes == (
        "1 annotations were left out, as the file holds cells.",
        "1 objects without an area (points, lines) were left out.",
    )


def test_annotations_drawn_in_qupath_are_cells_where_there_is_nothing_else(
    tmp_path: Path,
) -> None:
    drawn = [[1.2, 1.4], [4.3, 1.1], [4.2, 3.4], [1.2, 1.4]]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [
        feature("annotation", drawn, classification={"names": ["Tumor", "CD3"]}),
        feature("annotation", [[x + 5, y + 5] for x, y in SQUARE], name="x"),
    ]}))  # fmt: skip

    found = read_cells(path, frame(LABELS))

    assert sorted(np.unique(found.labels)) == [0, 1, 2]
    assert found.classes == {1: "Tumor: CD3"}


def test_rois_open_in_imagej_where_they_belong(tmp_path: Path) -> None:
    labels = np.zeros((2, 12, 15), np.int32)
    labels[1] = np.where(LABELS == 7, 7, 0)
    path = tmp_path / "a.zip"

    format_named("roi").write(path, Cells(labels, "TYX"))

    (roi,) = roiread(path)
    assert (roi.name, roi.position, roi.t_position) == ("cell 7 t2", 2, 2)
    assert (roi.left, roi.top, roi.right, roi.bottom) == (6, 1, 9, 6)
    assert roi.roitype is ROI_TYPE.TRACED


def with_rois(path: Path, rois: dict[str, ImagejRoi]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, roi in rois.items():
            archive.writestr(f"{name}.roi", roi.tobytes())
    return path


def test_every_kind_of_drawn_roi_is_read(tmp_path: Path) -> None:
    box = {"left": 1, "top": 2, "right": 5, "bottom": 6}
    rect, oval, point = ImagejRoi(), ImagejRoi(), ImagejRoi.frompoints([[1, 1]])
    rect.roitype, oval.roitype, point.roitype = (
        ROI_TYPE.RECT,
        ROI_TYPE.OVAL,
        ROI_TYPE.POINT,
    )
    for name, value in box.items():
        setattr(rect, name, value)
        setattr(oval, name, value + 5)
    drawn = ImagejRoi.frompoints(np.array([[10.5, 0.5], [13.5, 0.5], [13.5, 2.5]]))
    path = with_rois(
        tmp_path / "a.zip",
        {"0003-0003": rect, "0008-0009": oval, "x": point, "y": drawn},
    )

    found = read_cells(path, frame(LABELS))

    assert found.notes == ("1 ROIs without an area (points, lines) were left out.",)
    assert int((found.labels == 1).sum()) == 16
    assert (
        int((found.labels == 2).sum()) == 12
    )  # a disk of 4 pixels without its corners
    assert 0 < int((found.labels == 3).sum()) < 6


def test_a_single_roi_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "one.roi"
    path.write_bytes(ImagejRoi.frompoints([[1, 1], [1, 4], [5, 4], [5, 1]]).tobytes())

    assert int((read_cells(path, frame(LABELS)).labels == 1).sum()) == 12


def test_coco_holds_many_images_and_finds_each_by_name(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    other = np.zeros((4, 5), np.int32)
    other[1:3, 1:3] = 1
    many = [Cells(LABELS, image_name="a.tif"), Cells(other, image_name="b.tif")]
    run(write_coco_images(path, many, len(many)))

    file = CocoFile(path)
    found = [file.labels_of(image).labels for image in file.images]

    np.testing.assert_array_equal(found[0], LABELS)
    np.testing.assert_array_equal(found[1], other)
    np.testing.assert_array_equal(read_cells(path, frame(LABELS)).labels, LABELS)
    with pytest.raises(ImageReadError, match="names 2 images, and 0 of them"):
        read_cells(path, ImageFrame((12, 15), "YX", "c.tif"))


def test_annotations_as_livecell_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "livecell.json"
    path.write_text(json.dumps({
        "images": [{"id": 5, "width": 15, "height": 12, "file_name": "x/a.tif"}],
        "annotations": {
            "1": {"id": 1, "image_id": 5, "category_id": 1, "iscrowd": 0,
                  "segmentation": [[1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]]},
            "2": {"id": 2, "image_id": 5, "category_id": 1, "iscrowd": 0,
                  "segmentation": {"size": [12, 15], "counts": [12 * 10, 2, 58]}},
            "3": {"id": 3, "image_id": 5, "category_id": 1, "iscrowd": 1,
                  "segmentation": {"size": [12, 15], "counts": [0, 180]}},
        },
        "categories": [{"id": 1, "name": "cell"}],
    }))  # fmt: skip

    found = read_cells(path, frame(LABELS))

    assert int((found.labels == 1).sum()) == 6
    assert np.argwhere(found.labels == 2).tolist() == [[0, 10], [1, 10]]
    assert found.notes == ("1 crowds (many cells as one) were left out.",)


@pytest.mark.parametrize("name", EVERY)
def test_cells_of_another_image_are_refused(tmp_path: Path, name: str) -> None:
    one = format_named(name)
    path = tmp_path / f"a{one.suffix}"
    cells = Cells(np.stack([LABELS, LABELS]), "ZYX", "a.tif")
    one.write(path, Cells(LABELS, "YX", "a.tif") if name == "coco" else cells)

    with pytest.raises((LabelsError, ImageReadError), match="Choose"):
        read_cells(path, ImageFrame((1, 8, 9), "ZYX", "a.tif"))


def test_a_stack_is_no_coco_image(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="one plane"):
        format_named("coco").write(
            tmp_path / "a.json", Cells(np.stack([LABELS]), "ZYX")
        )


def coco_text(segmentation: Any, **image: int) -> str:
    """Return a COCO file with one cell."""
    return json.dumps(
        {
            "images": [{"id": 1, **image}],
            "annotations": [{"image_id": 1, "segmentation": segmentation}],
        }
    )


def runs(counts: Any, size: Any = (12, 15)) -> dict[str, Any]:
    return {"size": size, "counts": counts}


NO_PLANE = {"type": "Polygon", "plane": {"z": "x"}, "coordinates": [SQUARE]}
HOSTILE = {
    "a.geojson": [
        "",
        "[",
        "{}",
        "[1, 2]",
        '{"type": "FeatureCollection"}',
        "[" * 100_000,
        json.dumps([feature("cell", [])]),
        json.dumps([feature("cell", [[0, 0], [1, 1]])]),
        json.dumps([feature("cell", [["a", "b"]] * 4)]),
        json.dumps([feature("cell", [[float("nan"), 0], [1, 1], [2, 2]])]),
        json.dumps([{"geometry": {"type": "Polygon"}, "properties": {"name": 3}}]),
        json.dumps([{"geometry": [], "id": []}]),
        json.dumps([{**feature("cell", SQUARE), "geometry": NO_PLANE}]),
    ],
    "a.json": [
        "{}",
        "[]",
        "3",
        '{"images": 3, "annotations": 4}',
        '{"images": [{"id": 1}], "annotations": [{}]}',
        coco_text([[1, 2, 3, 4, 5, 6, 7]]),
        coco_text(runs("abc", (9999999, 999999))),
        coco_text([], height=999999999, width=99999999),
        coco_text(runs([2**63 - 1, 2**63 - 1, 182])),
        coco_text(runs("o" * 90)),
        coco_text(runs([-5, 185])),
    ],
    "a.zip": ["", "PK", "PK\x03\x04 and nothing"],
    "a.roi": ["", "Iout", "Iout" + "\x00" * 200, "Iout\x7f" * 40],
}


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, content) for name, contents in HOSTILE.items() for content in contents],
)
def test_a_broken_or_hostile_file_is_one_sentence(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(CellsegError) as caught:
        read_cells(path, frame(LABELS))

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_zip_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_cellseg.core.errors import LimitError
    from napari_cellseg.io.exchange import imagej_roi
    from napari_cellseg.io.limits import ReadLimits

    monkeypatch.setattr(imagej_roi, "LIMITS", ReadLimits(max_bytes=1_000_000))
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", bytes(2_000_000))

    with pytest.raises(LimitError, match="what is packed"):
        imagej_roi.read_rois(path, (12, 15), "YX")


@pytest.mark.parametrize("name", ["roi", "geojson", "coco"])
@pytest.mark.parametrize("seed", range(3))
def test_random_damage_is_always_our_error(
    tmp_path: Path, name: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    one = format_named(name)
    path = tmp_path / f"a{one.suffix}"
    one.write(path, Cells(LABELS, image_name="a.tif"))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(150):
        damaged = whole.copy()
        places = rng.integers(0, len(whole), rng.integers(1, 5))
        damaged[places] = rng.integers(32, 127, len(places))
        path.write_bytes(damaged.tobytes())
        try:
            read_cells(path, frame(LABELS))
        except CellsegError as error:
            assert "\n" not in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("a_seg.npy", "a"),
        ("a_labels.tif", "a"),
        ("a_cp_masks.png", "a"),
        ("a.geojson", "a"),
        ("a_RoiSet.zip", "a"),
        ("a_labels.ome.zarr", "a"),
        ("a_rois.zip", "a"),
        ("_seg.npy", "_seg"),
    ],
)
def test_a_file_of_cells_names_its_image(file: str, stem: str) -> None:
    assert image_stem(Path(file)) == stem


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_the_suffix_of_a_format_leads_back_to_it(one: Any, tmp_path: Path) -> None:
    path = tmp_path / f"a{one.suffix}"
    one.write(path, Cells(LABELS, image_name="a.tif"))

    assert format_of(path) is one
    assert one.title in dialog_filter()


def test_a_zarr_takes_the_place_of_a_zarr_and_of_nothing_else(tmp_path: Path) -> None:
    one = format_named("zarr")
    path = tmp_path / "a.ome.zarr"
    one.write(path, Cells(LABELS))
    one.write(path, Cells(LABELS[:5]))
    other = tmp_path / "photos"
    other.mkdir()

    assert read_cells(path, frame(LABELS[:5])).labels.shape == (5, 15)
    with pytest.raises(CellsegError, match="left as it is"):
        one.write(other, Cells(LABELS))


def test_cells_of_real_images_come_back(tmp_path: Path, shared_data: Path) -> None:
    paths = [
        *sorted((shared_data / "usiigaci_phase" / "masks").glob("*.tif"))[:2],
        *sorted((shared_data / "dsb2018_stardist_test" / "masks").glob("*.tif"))[:3],
    ]
    for path in paths:
        labels, _ = read_labels(path)
        for name in ("roi", "geojson", "coco"):
            found = back(tmp_path, name, Cells(labels, image_name="a.tif"))
            np.testing.assert_array_equal(found.labels, labels)
