"""A whole slide from file to table, stopped and gone on with."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from typer.testing import CliRunner

from napari_cellseg import __version__
from napari_cellseg.batch import slide_tile
from napari_cellseg.batch.slide_options import SlideOptions
from napari_cellseg.batch.slide_run import SlideReport, segment_slide
from napari_cellseg.batch.slide_tile import TileWork
from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import (
    CellsegError,
    DiskFullError,
    ImageReadError,
    OptionsError,
    SaveError,
    SegmentationError,
)
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.slides import plan as plan_module
from slides.part_fake import FakePartSegmenter, disks

MIDDLES = [(30, 30), (64, 64), (64, 128), (128, 64), (140, 140)]
FAST = SegmentOptions(preset="fast", min_confidence=0.0)


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> FakePartSegmenter:
    """Return what segments instead of a network, a slide being 3 x 3 tiles."""
    monkeypatch.setattr(plan_module, "CORE_PX", 64)
    monkeypatch.setattr(plan_module, "HALO_PX", 32)
    fake = FakePartSegmenter()
    monkeypatch.setattr(slide_tile, "open_segmenter", lambda **_: fake)
    slide_tile.part_segmenter.cache_clear()
    slide_tile._opened.cache_clear()
    return fake


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """Return a slide with five cells and a pixel size."""
    path = tmp_path / "slide 1.tif"
    pixels = disks((170, 160), MIDDLES).data[0]
    tifffile.imwrite(
        path, pixels, tile=(64, 64), resolution=(20000, 20000), resolutionunit=3
    )
    return path


def segment(path: Path, out: Path, **slide_options: object) -> SlideReport:
    """Segment a slide."""
    return run(segment_slide(path, out, SlideOptions(**slide_options), FAST))


def test_a_slide_becomes_labels_a_table_and_a_record(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    report = segment(slide, tmp_path / "out")

    labels = zarr.open_group(report.files[0], mode="r")["0"][:]
    assert [int(labels[y, x]) for y, x in MIDDLES] == [1, 2, 3, 4, 5]
    cells = pd.read_csv(tmp_path / "out" / "slide 1_cells.csv")
    assert cells["label"].tolist() == [1, 2, 3, 4, 5]
    assert cells["centroid_y_px"].tolist() == pytest.approx([30, 64, 64, 128, 140])
    # 20,000 pixels a centimetre are 0.5 µm each.
    assert cells["centroid_y_um"].tolist() == pytest.approx([15, 32, 32, 64, 70])
    record = json.loads((tmp_path / "out" / "slide 1_cells.json").read_text())
    assert record["model"]["digest"] == "f" * 64
    assert record["summary"]["n_cells"] == 5
    assert record["n_tiles"] == 9
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "slide 1_cells.csv",
        "slide 1_cells.json",
        "slide 1_density.tif",
        "slide 1_labels.ome.zarr",
    ]


def test_a_run_that_was_stopped_does_only_what_is_missing(
    segmenter: FakePartSegmenter,
    slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = segment_slide(slide, tmp_path / "out", SlideOptions(), FAST)
    while not next(job).message.startswith("tiles"):
        pass
    next(job)
    job.close()
    n_done: list[int] = []
    work = slide_tile.segment_tile
    monkeypatch.setattr(
        slide_tile, "segment_tile", lambda *given: n_done.append(1) or work(*given)
    )

    report = segment(slide, tmp_path / "out")

    assert len(n_done) == 7
    assert report.n_cells == 5


def test_a_tile_that_fails_costs_itself_and_is_tried_again(
    segmenter: FakePartSegmenter,
    slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = slide_tile.segment_tile

    def fails_once(image: object, plan: object, tile: object, asked: object) -> object:
        if tile.core_y[0] == 64 and tile.core_x[0] == 64:  # type: ignore[attr-defined]
            raise SegmentationError("The graphics card is gone.")
        return work(image, plan, tile, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(slide_tile, "segment_tile", fails_once)
    with pytest.raises(SegmentationError, match=r"1 of 9 tiles .* card is gone"):
        segment(slide, tmp_path / "out")
    monkeypatch.setattr(slide_tile, "segment_tile", work)

    assert len(list((tmp_path / "out" / "slide 1_tiles").glob("*.npz"))) == 8
    assert segment(slide, tmp_path / "out").n_cells == 5


def test_a_full_disk_ends_the_run(
    segmenter: FakePartSegmenter,
    slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    n_asked: list[int] = []

    def full(*_: object) -> None:
        n_asked.append(1)
        raise DiskFullError("the disk is full")

    monkeypatch.setattr(slide_tile, "write_tile", full)

    with pytest.raises(DiskFullError):
        segment(slide, tmp_path / "out")

    assert len(n_asked) == 1


def test_tiles_of_other_options_are_never_mixed_in(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    job = segment_slide(slide, tmp_path / "out", SlideOptions(), FAST)
    while not next(job).message.startswith("tiles"):
        pass
    job.close()
    other = SegmentOptions(preset="fast", min_confidence=0.0, min_area_px=50)

    with pytest.raises(SaveError, match="another options"):
        run(segment_slide(slide, tmp_path / "out", SlideOptions(), other))


def test_results_are_replaced_only_if_asked_for(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    segment(slide, tmp_path / "out")

    with pytest.raises(SaveError, match="--overwrite"):
        segment(slide, tmp_path / "out")

    assert segment(slide, tmp_path / "out", overwrite=True).n_cells == 5


def test_nothing_of_what_is_replaced_stays_beside_the_new_results(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    segment(slide, tmp_path / "out", save_geojson=True)

    report = segment(slide, tmp_path / "out", overwrite=True)

    assert not [path for path in report.files if path.name.endswith(".geojson.gz")]


def test_a_run_that_replaces_goes_on_after_it_was_killed_while_it_wrote(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    segment(slide, tmp_path / "out")
    job = segment_slide(slide, tmp_path / "out", SlideOptions(overwrite=True), FAST)
    while next(job).message != "writing the table":
        pass
    job.close()

    assert segment(slide, tmp_path / "out").n_cells == 5


def test_a_model_of_whole_images_is_refused(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slide_tile, "open_segmenter", lambda **_: object())
    slide_tile.part_segmenter.cache_clear()

    with pytest.raises(OptionsError, match="whole images only"):
        segment(slide, tmp_path / "out", model="cellpose:cyto3")


def test_a_worker_without_the_folder_says_so(slide: Path, tmp_path: Path) -> None:
    source = slide_tile.SlideSource(str(slide), None, 0, None)
    work = slide_tile.TileWork(
        source, tmp_path / "not here", "", None, "cpu", "", __version__
    )

    with pytest.raises(ImageReadError, match="same path"):
        work(0)


@pytest.fixture
def work(segmenter: FakePartSegmenter, slide: Path, tmp_path: Path) -> TileWork:
    """Return the work on a slide whose plan is made."""
    job = segment_slide(slide, tmp_path / "out", SlideOptions(), FAST)
    while not next(job).message.startswith("tiles"):
        pass
    job.close()
    folder = tmp_path / "out" / "slide 1_tiles"
    source = slide_tile.SlideSource(str(slide), None, 0, None)
    slide_tile._opened.cache_clear()
    key = slide_tile.plan_key(folder)
    return TileWork(source, folder, key, None, "cpu", "f" * 64, __version__)


def test_a_worker_that_sees_the_same_passes(work: TileWork) -> None:
    work.check()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        pytest.param(
            {"version": "0.0.1"}, r"hands out the tiles is 0\.0\.1\.", id="version"
        ),
        pytest.param(
            {"digest": "a" * 64},
            "is ffffffffffff…; aaaaaaaaaaaa… is asked for",
            id="model",
        ),
        pytest.param({"plan_key": "b"}, "no plan of this run", id="folder"),
        pytest.param(
            {"source": slide_tile.SlideSource("/not/here.svs", None, 0, None)},
            "Workers must see it under the same path",
            id="slide",
        ),
    ],
)
def test_a_worker_that_would_do_other_tiles_says_why(
    other: dict[str, object], words: str, work: TileWork
) -> None:
    with pytest.raises(CellsegError, match=words):
        replace(work, **other).check()


def test_a_run_that_was_killed_while_it_wrote_goes_on(
    segmenter: FakePartSegmenter,
    slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = segment_slide(slide, tmp_path / "out", SlideOptions(save_geojson=True), FAST)
    while next(job).message != "writing the table":
        pass
    job.close()
    n_done: list[int] = []
    monkeypatch.setattr(slide_tile, "segment_tile", lambda *_: n_done.append(1))

    report = segment(slide, tmp_path / "out", save_geojson=True)

    assert report.n_cells == 5
    assert n_done == []


def test_only_what_lies_in_annotations_counts(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    # Around the cells at (30, 30) and (64, 64), and a part without any.
    drawn = [("tumour", 0, 100), ("stroma", 145, 160)]
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[a, a], [b, a], [b, b], [a, b], [a, a]]],
            },
            "properties": {"objectType": "annotation", "name": name},
        }
        for name, a, b in drawn
    ]
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))

    report = segment(slide, tmp_path / "out", annotations=str(path))

    assert report.n_cells == 2
    # Of 3 x 3 tiles of 64 px, the first four and the last.
    assert report.n_tiles == 5
    labels = zarr.open_group(report.files[0], mode="r")["0"][:]
    assert [int(labels[y, x]) for y, x in MIDDLES] == [1, 2, 0, 0, 0]
    table = pd.read_csv(tmp_path / "out" / "slide 1_annotations.csv")
    assert table["name"].tolist() == ["tumour", "stroma"]
    assert table["n_cells"].tolist() == [2, 0]
    # 100 x 100 px of half a micrometre are 0.0025 mm².
    assert table["area_mm2"].tolist() == pytest.approx([0.0025, 15 * 15 * 0.25e-6])
    assert len(pd.read_csv(tmp_path / "out" / "slide 1_cells.csv")) == 2


def test_outlines_of_a_level_are_in_pixels_of_the_full_resolution(
    segmenter: FakePartSegmenter, tmp_path: Path
) -> None:
    path = tmp_path / "levels.ome.tif"
    full = disks((320, 320), [(100, 100)]).data[0]
    with tifffile.TiffWriter(path) as writer:
        writer.write(full, subifds=1, tile=(64, 64))
        writer.write(full[::2, ::2], subfiletype=1, tile=(64, 64))

    segment(path, tmp_path / "out", save_geojson=True, level=1)

    content = gzip.decompress((tmp_path / "out" / "levels.geojson.gz").read_bytes())
    (feature,) = json.loads(content)["features"]
    corners = np.array(feature["geometry"]["coordinates"][0])
    assert corners.mean(axis=0) == pytest.approx([100, 100], abs=1.5)


def test_density_is_that_of_tissue(
    segmenter: FakePartSegmenter, tmp_path: Path
) -> None:
    pixels = np.full((256, 256, 3), 240, np.uint8)
    pixels[:128, :, 1] = 190
    rows, columns = np.indices((256, 256))
    pixels[(rows - 30) ** 2 + (columns - 30) ** 2 <= 256] = 40
    path = tmp_path / "stained.tif"
    tifffile.imwrite(
        path,
        pixels,
        tile=(64, 64),
        photometric="rgb",
        resolution=(20000, 20000),
        resolutionunit=3,
    )

    report = segment(path, tmp_path / "out")

    # Half of 256 x 256 px of 0.25 µm² is stained.
    assert report.summary["tissue_area_mm2"] == pytest.approx(256 * 128 * 0.25e-6)
    density = report.summary["density_per_mm2_of_tissue"]
    assert density == pytest.approx(1 / (256 * 128 * 0.25e-6))
    assert report.n_cells == 1


def test_two_dask_workers_give_what_one_process_gives(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    # The plan travels in its file, the size of tiles does not: one tile a worker process
    # and the real network, in the way a person runs it.
    options = SegmentOptions(diameter_px=13.0)
    alone = run(
        segment_slide(slide, tmp_path / "one", SlideOptions(device="cpu"), options)
    )

    both = run(
        segment_slide(
            slide, tmp_path / "two", SlideOptions(device="cpu", workers=2), options
        )
    )

    first, second = (
        zarr.open_group(report.files[0], mode="r")["0"][:] for report in (alone, both)
    )
    assert alone.n_cells == 5
    np.testing.assert_array_equal(first, second)


def test_the_command_says_what_it_wrote(
    segmenter: FakePartSegmenter, slide: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    result = CliRunner().invoke(
        app, ["slide", str(slide), "-o", str(out), "--diameter", "13"]
    )

    assert result.exit_code == 0, result.output
    assert "5 cells in 9 tiles" in result.output
