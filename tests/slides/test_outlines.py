"""The cells of a slide as QuPath reads them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

from napari_cellseg.core.types import CellImage, PixelSize
from napari_cellseg.io.exchange.geojson import read_geojson, write_features
from napari_cellseg.slides.joining import join_tiles
from napari_cellseg.slides.outlines import features_of
from napari_cellseg.slides.painting import PaintedLabels
from napari_cellseg.slides.tile import segment_tile
from napari_cellseg.slides.tile_file import tile_path, write_tile
from slides.part_fake import FakePartSegmenter, disks, plan_of

MIDDLES = [(20, 20), (64, 64), (63, 100), (0, 90), (40, 149)]
SHAPE = (170, 150)


def written(folder: Path, factor: tuple[float, float] = (1.0, 1.0)) -> Path:
    """Do a slide of disks and write its cells; return the file."""
    image = disks(SHAPE, MIDDLES)
    image = CellImage(image.data, pixel_size=PixelSize(0.5, 0.5), name="disks.svs")
    plan = plan_of(image)
    for number, tile in enumerate(plan.tiles):
        cells = segment_tile(image, plan, tile, FakePartSegmenter())
        write_tile(tile_path(folder, number), cells)
    joined = join_tiles(folder, range(len(plan.tiles)))
    path = folder / "disks.geojson.gz"
    write_features(path, features_of(folder, joined, image, factor))
    painted = PaintedLabels(folder, plan, joined.numbers)
    np.save(folder / "labels.npy", painted[slice(0, SHAPE[0]), slice(0, SHAPE[1])])
    return path


def test_the_cells_come_back_pixel_by_pixel(small_tiles: None, tmp_path: Path) -> None:
    path = written(tmp_path)
    plain = tmp_path / "plain.geojson"
    plain.write_bytes(gzip.decompress(path.read_bytes()))

    found = read_geojson(plain, SHAPE, "YX")

    np.testing.assert_array_equal(found.labels, np.load(tmp_path / "labels.npy"))


def test_each_cell_has_its_number_and_measurements(
    small_tiles: None, tmp_path: Path
) -> None:
    path = written(tmp_path)

    features = json.loads(gzip.decompress(path.read_bytes()))["features"]

    names = {feature["properties"]["name"] for feature in features}
    assert names == {f"cell {number}" for number in range(1, len(MIDDLES) + 1)}
    assert len({feature["id"] for feature in features}) == len(MIDDLES)
    by_name = {each["properties"]["name"]: each["properties"] for each in features}
    # The second from the top lies whole on the slide: 113 pixels of 0.25 µm².
    assert by_name["cell 2"]["measurements"]["area_um2"] == 113 * 0.25


def test_corners_are_in_pixels_of_the_full_resolution(
    small_tiles: None, tmp_path: Path
) -> None:
    path = written(tmp_path, (4.0, 4.0))

    features = json.loads(gzip.decompress(path.read_bytes()))["features"]

    by_name = {each["properties"]["name"]: each["geometry"] for each in features}
    # A disk of radius 6 around (20, 20) has its sides at 14 and 27, times four.
    xs, ys = np.array(by_name["cell 2"]["coordinates"][0]).T
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (56, 108, 56, 108)
