"""Scenes are reproducible, and their truth is exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_closing, gaussian_filter
from skimage.measure import label, regionprops

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.synthetic import (
    KINDS,
    CellOptions,
    OpticsOptions,
    SceneOptions,
    make_scene,
    random_blank,
    random_bodies,
    random_rods,
    random_scene,
    random_tissue,
)
from napari_cellseg.core.synthetic.arrangement import Layout
from napari_cellseg.core.synthetic.rods import packed_labels


def options_of(kind: str, **cells: object) -> SceneOptions:
    asked = {"kind": kind, "n_cells": 20, "diameter_px": 24.0, **cells}
    return SceneOptions((160, 200), CellOptions(**asked))


RODS = {"rods", "glowing_rods"}
KINDS_WITH_CELLS = [kind for kind in KINDS if kind != "blank"]
SPARSE_NUCLEI = CellOptions(n_cells=6, diameter_px=24, clustering=0, debris=0)
STILL = OpticsOptions(
    blur_px=0, haze=0, noise=0, grain_px=0, uneven_light=0, vignetting=0
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_scene(kind: str) -> None:
    first, second = (make_scene(options_of(kind), 7) for _ in range(2))

    assert np.array_equal(first.image.data, second.image.data)
    assert np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_another_seed_gives_another_scene(kind: str) -> None:
    first, second = (make_scene(options_of(kind), seed) for seed in (7, 8))

    assert not np.array_equal(first.labels, second.labels)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_every_id_is_one_connected_piece(kind: str, seed: int) -> None:
    labels = make_scene(options_of(kind, n_cells=60), seed).labels

    n_pieces = int(label(labels, connectivity=1).max())

    assert n_pieces == labels.max()
    assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, n_pieces + 1))


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_there_are_never_more_cells_than_asked_for(kind: str) -> None:
    assert 1 <= make_scene(options_of(kind, n_cells=5), 0).labels.max() <= 5


def test_sparse_cells_all_find_a_place() -> None:
    options = SceneOptions((512, 512), SPARSE_NUCLEI)

    assert make_scene(options, 0).labels.max() == 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_without_cells_has_empty_labels(kind: str) -> None:
    scene = make_scene(options_of(kind, n_cells=0), 0)

    assert not scene.labels.any()
    assert scene.image.shape[-2:] == (160, 200)


@pytest.mark.parametrize("kind", KINDS)
def test_image_and_labels_fit_each_other(kind: str) -> None:
    scene = make_scene(options_of(kind), 0)

    assert scene.image.labels_shape == scene.labels.shape == (160, 200)
    assert scene.labels.dtype == np.int32
    assert scene.image.is_rgb == (kind in ("histology", "tissue"))


def test_light_lies_exactly_on_the_truth() -> None:
    scene = make_scene(SceneOptions((200, 200), SPARSE_NUCLEI, STILL), 3)
    # Cells out of focus are blurred on their own; this seed has none.
    lit = scene.image.data[0] > scene.image.data[0][0, 0]

    assert np.array_equal(lit, scene.labels > 0)


@pytest.mark.parametrize(
    ("bit_depth", "dtype", "greatest"),
    [(8, np.uint8, 255), (12, np.uint16, 4095), (16, np.uint16, 65535)],
)
def test_a_bright_scene_fills_the_bit_depth_and_no_more(
    bit_depth: int, dtype: type, greatest: int
) -> None:
    optics = replace(STILL, contrast=2, bit_depth=bit_depth)
    pixels = make_scene(SceneOptions((128, 128), optics=optics), 0).image.data

    assert pixels.dtype == dtype
    assert pixels.max() == greatest


def test_mean_diameter_is_what_was_asked_for() -> None:
    cells = replace(SPARSE_NUCLEI, n_cells=40, irregularity=0.1, size_spread=0)
    labels = make_scene(SceneOptions((900, 900), cells), 0).labels
    inner = np.bincount(labels.reshape(-1))[1:]

    median_diameter_px = 2 * np.sqrt(np.median(inner) / np.pi)

    assert median_diameter_px == pytest.approx(24, rel=0.1)


def test_nuclei_channel_lies_inside_the_cells() -> None:
    options = options_of("whole_cells", has_nuclei_channel=True, debris=0.0)
    scene = make_scene(replace(options, optics=STILL), 0)
    nuclei = scene.image.data[1] > scene.image.data[1].min()

    assert scene.image.channel_names == ("cytoplasm", "nuclei")
    assert nuclei.any()
    assert np.all(scene.labels[nuclei] > 0)


def test_pixel_size_is_written_into_the_image() -> None:
    scene = make_scene(SceneOptions((64, 64), pixel_size_um=0.5), 0)

    assert scene.image.pixel_size is not None
    assert scene.image.pixel_size.y_um == 0.5


@pytest.mark.parametrize("shape_yx", [(8, 64), (64, 10_000), (64,)], ids=str)
def test_a_size_out_of_range_is_refused(shape_yx: tuple[int, ...]) -> None:
    with pytest.raises(OptionsError, match="two sizes"):
        SceneOptions(shape_yx)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "plants"), ("diameter_px", 1.0), ("n_cells", -1), ("clustering", 2.0)],
)
def test_a_cell_option_out_of_range_is_refused(name: str, value: object) -> None:
    with pytest.raises(OptionsError, match=name):
        CellOptions(**{name: value})


@pytest.mark.parametrize("seed", range(40))
def test_a_random_scene_has_pixels_and_exact_truth(seed: int) -> None:
    scene = random_scene(seed, (96, 128))

    assert scene.image.shape[-2:] == scene.labels.shape == (96, 128)
    assert scene.image.n_channels == (3 if scene.image.is_rgb else 1)
    assert scene.image.data.dtype.kind == "u"
    assert label(scene.labels, connectivity=1).max() == scene.labels.max()


def test_random_scenes_are_drawn_over_all_kinds_and_sizes() -> None:
    drawn = [random_scene(seed, (64, 256)).options.cells for seed in range(80)]

    assert {cells.kind for cells in drawn} == set(KINDS) - RODS - {
        "cell_bodies",
        "blank",
        "tissue",
    }
    assert min(cells.diameter_px for cells in drawn) < 16
    assert len({cells.n_cells for cells in drawn}) > 20


def test_a_random_scene_is_the_same_for_the_same_seed() -> None:
    first, second = (random_scene(11, (64, 64)) for _ in range(2))

    assert first.options == second.options
    assert np.array_equal(first.image.data, second.image.data)


def test_random_rods_are_thin_dark_or_glowing_and_exact() -> None:
    scenes = [random_rods(seed, (96, 128)) for seed in range(24)]

    assert {scene.options.cells.kind for scene in scenes} == RODS
    for scene in scenes:
        assert scene.labels.shape == (96, 128)
        assert label(scene.labels, connectivity=1).max() == scene.labels.max()
        assert scene.labels.max() <= scene.options.cells.n_cells
    longest = max(
        region.axis_major_length / max(region.axis_minor_length, 1)
        for region in regionprops(scenes[0].labels)
    )
    assert longest > 2


def test_a_packed_colony_leaves_no_room_between_its_rods() -> None:
    cells = CellOptions(kind="rods", n_cells=40, diameter_px=20.0, elongation=3.0)
    layout = Layout((200, 200), 16, 40, 20.0, 0.5)
    labels = packed_labels(layout, cells, np.random.default_rng(1))

    assert labels.max() == 40
    covered = binary_closing(labels > 0, iterations=3)
    assert (labels > 0).sum() > 0.8 * covered.sum()


def test_random_bodies_lie_on_each_other_and_their_truth_is_exact() -> None:
    scenes = [random_bodies(seed, (160, 192)) for seed in range(24)]

    n_pieces = 0
    for scene in scenes:
        assert scene.options.cells.kind == "cell_bodies"
        assert label(scene.labels, connectivity=1).max() == scene.labels.max()
        n_pieces += int(label(scene.labels > 0, connectivity=1).max())
    assert n_pieces < 0.6 * sum(int(scene.labels.max()) for scene in scenes)
    assert min(scene.options.optics.blur_px for scene in scenes) < 2
    assert max(scene.options.optics.blur_px for scene in scenes) > 5


def test_bodies_shine_evenly_so_that_only_outlines_tell_them_apart() -> None:
    cells = CellOptions(
        kind="cell_bodies", n_cells=30, diameter_px=40.0, texture=0.0, variation=0.0
    )
    optics = OpticsOptions(
        blur_px=0, haze=0, noise=0, uneven_light=0, vignetting=0, contrast=1
    )
    scene = make_scene(SceneOptions((200, 200), cells, optics), 3)

    inside = np.asarray(scene.image.plane()[0])[scene.labels > 0]
    assert len(np.unique(inside)) == 1


def test_blank_scenes_have_no_cell_and_grains_that_are_correlated() -> None:
    correlations = []
    for seed in range(24):
        scene = random_blank(seed, (96, 128))
        pixels = np.asarray(scene.image.plane()[0], float)
        assert scene.labels.shape == pixels.shape == (96, 128)
        assert not scene.labels.any()
        assert pixels.std() > 0
        grain = pixels - gaussian_filter(pixels, 8)
        correlations.append(
            np.corrcoef(grain[:, 1:].ravel(), grain[:, :-1].ravel())[0, 1]
        )
    assert max(correlations) > 0.7
    assert min(correlations) < 0.2


def test_random_tissue_is_in_colour_and_its_truth_is_exact() -> None:
    for seed in range(24):
        scene = random_tissue(seed, (128, 160))
        assert scene.image.is_rgb
        assert scene.image.n_channels == 3
        assert scene.labels.shape == (128, 160)
        assert label(scene.labels, connectivity=1).max() == scene.labels.max()


def test_most_of_what_is_stained_in_tissue_is_no_nucleus() -> None:
    shares, darker = [], []
    for seed in range(24):
        scene = random_tissue(seed, (128, 160))
        red = np.asarray(scene.image.plane()[0], float)
        nuclei, ground = red[scene.labels > 0], red[scene.labels == 0]
        darker.append(nuclei.mean() < ground.mean())
        green = np.asarray(scene.image.plane()[1], float)
        stained = green < 0.8 * np.percentile(green, 99)
        shares.append((stained & (scene.labels == 0)).sum() / stained.sum())

    assert np.mean(darker) > 0.9
    assert np.median(shares) > 0.4


def test_flat_cells_are_fainter_than_the_others() -> None:
    def contrast(flatness: float) -> float:
        options = options_of("phase_contrast", debris=0.0, flatness=flatness)
        scene = make_scene(replace(options, optics=STILL), 5)
        plane = scene.image.plane()[0].astype(float)
        ground = np.median(plane[scene.labels == 0])
        return float(np.abs(plane[scene.labels > 0] / ground - 1).mean())

    assert contrast(1.0) < 0.75 * contrast(0.0)
