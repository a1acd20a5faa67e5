"""A slide put together from tiles is the slide in one piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.types import CellImage, Labels, PixelSize
from napari_cellseg.slides import plan as plan_module
from napari_cellseg.slides import table as table_module
from napari_cellseg.slides.joining import JoinedSlide, join_tiles
from napari_cellseg.slides.painting import PaintedLabels
from napari_cellseg.slides.plan import SlidePlan
from napari_cellseg.slides.table import rows_in_parts
from napari_cellseg.slides.tile import TileCells, segment_tile
from napari_cellseg.slides.tile_file import is_whole, read_tile, tile_path, write_tile
from slides.part_fake import FakePartSegmenter, disks, plan_of

#: On corners and borders of tiles of 64 px, beside them, and at the edge of the slide.
MIDDLES = [
    (64, 64),
    (63, 100),
    (64, 130),
    (20, 20),
    (128, 64),
    (100, 128),
    (0, 90),
    (40, 149),
]
SHAPE = (170, 150)


def done(image: CellImage, plan: SlidePlan, folder: Path) -> JoinedSlide:
    """Do all tiles, the last one first, and put them together."""
    segmenter = FakePartSegmenter()
    for number, tile in reversed(list(enumerate(plan.tiles))):
        write_tile(
            tile_path(folder, number), segment_tile(image, plan, tile, segmenter)
        )
    return join_tiles(folder, range(len(plan.tiles)))


def painted(joined: JoinedSlide, plan: SlidePlan, folder: Path) -> Labels:
    """Return all labels in one piece."""
    labels = PaintedLabels(folder, plan, joined.numbers)
    return labels[slice(0, plan.plane_yx[0]), slice(0, plan.plane_yx[1])]


@pytest.mark.parametrize("core_px", [64, 96, 256])
def test_every_cell_is_there_once_whatever_the_tiles(
    core_px: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_module, "CORE_PX", core_px)
    monkeypatch.setattr(plan_module, "HALO_PX", 32)
    image = disks(SHAPE, MIDDLES)
    plan = plan_of(image)

    joined = done(image, plan, tmp_path)

    labels = painted(joined, plan, tmp_path)
    # From the top down, then from left to right; seen as a whole disk or cut by the slide.
    by_place = sorted(MIDDLES)
    at_middles = [int(labels[y, x]) for y, x in by_place]
    assert at_middles == list(range(1, len(MIDDLES) + 1))
    assert np.array_equal(labels > 0, image.data[0] > 100)
    assert joined.n_cut == 0


def test_the_table_is_that_of_the_slide_in_one_piece(
    small_tiles: None, tmp_path: Path
) -> None:
    image = disks(SHAPE, MIDDLES)
    image = CellImage(image.data, pixel_size=PixelSize(0.5, 0.5), name="disks")
    plan = plan_of(image)

    joined = done(image, plan, tmp_path)

    labels = painted(joined, plan, tmp_path)
    expected = measure_cells(image, labels).cells
    columns = [
        name for name in expected.columns if name not in ("source", "confidence")
    ]
    (table,) = rows_in_parts(tmp_path, joined)
    assert list(table.columns[:3]) == ["label", "source", "confidence"]
    np.testing.assert_allclose(
        table[columns].to_numpy(float), expected[columns].to_numpy(float)
    )


def test_parts_of_the_table_are_the_table(
    small_tiles: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = disks(SHAPE, MIDDLES)
    plan = plan_of(image)
    joined = done(image, plan, tmp_path)
    (whole,) = rows_in_parts(tmp_path, joined)
    monkeypatch.setattr(table_module, "ROWS_A_PART", 3)

    parts = list(rows_in_parts(tmp_path, joined))

    # Eight cells: three, three and two, each label once.
    assert [len(part) for part in parts] == [3, 3, 2]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_what_is_held_of_a_cell_is_what_its_row_says(
    small_tiles: None, tmp_path: Path
) -> None:
    image = disks(SHAPE, MIDDLES)
    plan = plan_of(image)

    joined = done(image, plan, tmp_path)

    (table,) = rows_in_parts(tmp_path, joined)
    middles = table[["centroid_y_px", "centroid_x_px"]].to_numpy()
    np.testing.assert_array_equal(joined.middles_yx, middles)
    np.testing.assert_array_equal(joined.areas_px, table["area_px"])


def test_a_box_shows_what_the_whole_shows(small_tiles: None, tmp_path: Path) -> None:
    image = disks(SHAPE, MIDDLES)
    plan = plan_of(image)
    joined = done(image, plan, tmp_path)
    box = (slice(50, 110), slice(30, 140))

    part = PaintedLabels(tmp_path, plan, joined.numbers)[box]

    assert np.array_equal(part, painted(joined, plan, tmp_path)[box])


@pytest.mark.parametrize("shift_px", [-2, 2])
def test_a_cell_that_tiles_see_at_different_places_is_there_once(
    shift_px: int, small_tiles: None, tmp_path: Path
) -> None:
    image = disks(SHAPE, [(63, 30), (65, 100)])
    plan = plan_of(image)
    moved = CellImage(np.roll(image.data, shift_px, axis=1), name="moved")
    for number, tile in enumerate(plan.tiles):
        shown = moved if number % 2 else image
        cells = segment_tile(shown, plan, tile, FakePartSegmenter())
        write_tile(tile_path(tmp_path, number), cells)

    joined = join_tiles(tmp_path, range(len(plan.tiles)))

    assert joined.n_cells == 2


@pytest.mark.parametrize("splitter", [0, 1], ids=["above", "below"])
def test_a_cell_that_one_tile_sees_as_two_is_there_once_and_whole(
    splitter: int, small_tiles: None, tmp_path: Path
) -> None:
    # Its middle lies below the border at 64, or above it; the other tile sees a gap.
    rows, gap = ((50, 80), 60) if splitter == 0 else ((48, 78), 67)
    pixels = np.zeros((1, *SHAPE), np.uint8)
    pixels[0, slice(*rows), 26:38] = 200
    whole = CellImage(pixels, name="whole")
    in_two = CellImage(pixels.copy(), name="in two")
    in_two.data[0, gap] = 0
    plan = plan_of(whole)
    for number, tile in enumerate(plan.tiles):
        shown = in_two if tile.core_y[0] == 64 * splitter else whole
        cells = segment_tile(shown, plan, tile, FakePartSegmenter())
        write_tile(tile_path(tmp_path, number), cells)

    joined = join_tiles(tmp_path, range(len(plan.tiles)))

    assert joined.areas_px.tolist() == [30 * 12]
    labels = painted(joined, plan, tmp_path)
    assert np.count_nonzero(labels == 1) == 30 * 12


def test_a_cell_larger_than_what_is_read_is_reported(
    small_tiles: None, tmp_path: Path
) -> None:
    pixels = np.zeros((1, 200, 200), np.uint8)
    pixels[0, 20:180, 90:110] = 200
    image = CellImage(pixels, name="long")
    plan = plan_of(image)

    joined = done(image, plan, tmp_path)

    assert joined.n_cut > 0


def test_bare_glass_is_not_shown_to_the_network(
    small_tiles: None, tmp_path: Path
) -> None:
    pixels = np.full((3, 130, 130), 240, np.uint8)
    rows, columns = np.indices((130, 130))
    pixels[:, (rows - 20) ** 2 + (columns - 20) ** 2 <= 64] = 60
    image = CellImage(pixels, is_rgb=True, name="tissue")
    plan = plan_of(image)

    joined = done(image, plan, tmp_path)

    assert joined.n_cells == 1
    # The cell lies in the first of 3 x 3 tiles; the others do not reach it.
    assert joined.n_glass == 8


def test_a_slide_of_glass_has_an_empty_table(small_tiles: None, tmp_path: Path) -> None:
    image = CellImage(np.full((3, 90, 90), 240, np.uint8), is_rgb=True, name="glass")
    plan = plan_of(image)

    joined = done(image, plan, tmp_path)

    assert joined.n_cells == 0
    (table,) = rows_in_parts(tmp_path, joined)
    assert "area_px" in table
    assert not painted(joined, plan, tmp_path).any()


def test_a_tile_comes_back_from_its_file(small_tiles: None, tmp_path: Path) -> None:
    image = disks(SHAPE, MIDDLES)
    plan = plan_of(image)
    cells = segment_tile(image, plan, plan.tiles[0], FakePartSegmenter())
    path = tile_path(tmp_path, 0)

    write_tile(path, cells)
    read = read_tile(path)

    assert_same(read, cells)
    assert len(cells) >= 2
    assert is_whole(path)


def assert_same(read: TileCells, cells: TileCells) -> None:
    """Compare all that a tile holds."""
    for name in ("boxes", "confidence", "is_owned", "is_near", "is_cut", "tissue"):
        np.testing.assert_array_equal(getattr(read, name), getattr(cells, name))
    for one, other in zip(read.masks, cells.masks, strict=True):
        np.testing.assert_array_equal(one, other)
    assert list(read.columns) == list(cells.columns)


def test_a_damaged_tile_is_not_taken_for_done(
    small_tiles: None, tmp_path: Path
) -> None:
    image = disks(SHAPE, MIDDLES)
    plan = plan_of(image)
    path = tile_path(tmp_path, 0)
    write_tile(path, segment_tile(image, plan, plan.tiles[0], FakePartSegmenter()))
    path.write_bytes(path.read_bytes()[:-200])

    assert not is_whole(path)
