"""Sections of planes become 3-D cells: spheres whose truth is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.join_planes import PlanesInOne, join_stack
from napari_cellseg.core.training.matching import match_labels


def balls(shape, centres, radius_zyx):
    """Return labels of ellipsoids, the later ones over the earlier."""
    labels = np.zeros(shape, np.int32)
    grid = np.indices(shape)
    for cell, centre in enumerate(centres, start=1):
        parts = zip(grid, centre, radius_zyx, strict=True)
        labels[sum(((g - c) / r) ** 2 for g, c, r in parts) <= 1] = cell
    return labels


def by_planes(truth, rng=None):
    """Return the truth as planes that were segmented one by one: ids of their own."""
    labels = np.zeros_like(truth)
    n_before = 0
    for plane, target in zip(truth, labels, strict=True):
        for cell in rng.permutation(np.unique(plane)) if rng else np.unique(plane):
            if cell:
                pieces, n = ndimage.label(plane == cell)
                target[pieces > 0] = pieces[pieces > 0] + n_before
                n_before += n
    return labels


def cells_of(planes, **options):
    """Return the joined cells of a stack."""
    sure = np.ones(planes.max(), np.float32)
    return join_stack(planes, sure, "ZYX", SegmentOptions(**options))[0]


def is_same_partition(labels, truth):
    pairs = np.unique(np.stack([labels.ravel(), truth.ravel()]), axis=1).T
    return len(pairs) == len(np.unique(labels)) == len(np.unique(truth))


SCENES = {
    "apart": [(6, 12, 12), (6, 12, 40), (6, 40, 26)],
    "above each other, touching": [(5, 20, 20), (14, 20, 20)],
    "above each other, a little aside": [(5, 20, 20), (14, 23, 22)],
    "side by side, touching": [(7, 20, 15), (7, 20, 31)],
    "cut by the first and last plane": [(0, 15, 15), (19, 35, 35)],
}


@pytest.mark.parametrize("centres", SCENES.values(), ids=SCENES)
def test_sections_of_spheres_become_the_spheres(centres):
    truth = balls((20, 50, 50), centres, (4.9, 8, 8))
    planes = by_planes(truth, np.random.default_rng(1))

    joined = cells_of(planes)

    assert is_same_partition(joined, truth)
    assert sorted(np.unique(joined)) == list(range(len(centres) + 1))


def test_a_cell_that_leans_is_one():
    truth = np.zeros((12, 30, 60), np.int32)
    for z in range(12):
        truth[z, 8:20, 3 + 4 * z : 15 + 4 * z] = 1

    assert is_same_partition(cells_of(by_planes(truth)), truth)


def test_two_cells_of_one_plane_are_never_one():
    planes = np.zeros((3, 20, 40), np.int32)
    planes[0, 5:15, 5:35] = 1
    planes[1, 5:15, 5:20] = 2
    planes[1, 5:15, 20:35] = 3
    planes[2, 5:15, 5:35] = 4

    joined = cells_of(planes)

    assert joined[1, 10, 10] != joined[1, 10, 30]
    assert all(len(np.unique(joined[z])) == len(np.unique(planes[z])) for z in range(3))


def test_a_missed_plane_is_bridged():
    truth = balls((15, 40, 40), [(7, 20, 20)], (6, 9, 9))
    planes = by_planes(truth)
    planes[7] = 0

    assert cells_of(planes).max() == 1


def test_two_missed_planes_are_not_bridged():
    truth = balls((15, 40, 40), [(7, 20, 20)], (6, 9, 9))
    planes = by_planes(truth)
    planes[7:9] = 0

    assert cells_of(planes).max() == 2


def test_a_place_that_another_cell_fills_is_not_bridged():
    planes = np.zeros((3, 30, 30), np.int32)
    planes[0, 10:14, 10:14] = 1
    planes[1, 2:28, 12:28] = 2
    planes[1, 2:28, 2:12] = 3
    planes[2, 10:14, 10:14] = 4

    joined = cells_of(planes, plane_overlap=0.9)

    assert joined[0, 11, 11] != joined[2, 11, 11]


def test_an_empty_plane_between_stacked_cells_keeps_them_two():
    truth = balls((21, 40, 40), [(5, 20, 20), (15, 20, 20)], (5, 9, 9))
    planes = by_planes(truth)
    planes[10] = 0

    assert cells_of(planes).max() == 2


@pytest.mark.parametrize("shape", [(1, 5, 5), (4, 5, 5)], ids=str)
def test_empty_stacks_stay_empty(shape):
    assert not cells_of(np.zeros(shape, np.int32)).any()


def test_time_points_are_joined_each_for_itself_and_confidence_goes_by_pixels():
    labels = np.zeros((2, 2, 10, 20), np.int32)
    labels[0, 0, :, :10], labels[0, 1, :5, :10] = 1, 2
    labels[1, 0, :, :10], labels[1, 1, :, 10:] = 3, 4
    confidence = np.array([0.9, 0.3, 0.5, 0.6], np.float32)

    joined, sure = join_stack(labels, confidence, "TZYX", SegmentOptions())

    assert np.unique(joined[0]).tolist() == [0, 1]
    assert np.unique(joined[1]).tolist() == [0, 2, 3]
    assert sure.tolist() == pytest.approx([(0.9 * 100 + 0.3 * 50) / 150, 0.5, 0.6])


@pytest.mark.parametrize(
    ("axes", "options"),
    [("TYX", SegmentOptions()), ("ZYX", SegmentOptions(join_planes=False))],
    ids=["time", "switched off"],
)
def test_nothing_is_joined_over_time_or_when_it_is_off(axes, options):
    labels = np.zeros((2, 10, 10), np.int32)
    labels[0, 2:8, 2:8], labels[1, 2:8, 2:8] = 1, 2

    joined, sure = join_stack(labels, np.ones(2, np.float32), axes, options)

    assert np.array_equal(joined, labels)
    assert len(sure) == 2


def test_nuclei_outlined_plane_by_plane_are_found_again(shared_data):
    truth = tifffile.imread(shared_data / "stardist_3d" / "masks" / "img3d.tif")

    joined = cells_of(by_planes(truth.astype(np.int32)))

    (matching,) = match_labels(truth, joined, (0.5,))
    assert matching.average_precision > 0.85


@pytest.mark.parametrize(("in_place", "room"), [(False, 1.5), (True, 0.5)])
def test_joining_takes_room_for_one_more_stack_or_none(in_place, room):
    labels = np.zeros((40, 256, 256), np.int32)
    labels[:, 20:40, 20:40] = np.arange(1, 41)[:, None, None]
    confidence = np.ones(40, np.float32)
    tracemalloc.start()

    out = labels if in_place else None
    joined, _ = join_stack(labels, confidence, "ZYX", SegmentOptions(), out=out)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert joined.max() == 1
    assert peak < room * labels.nbytes


def test_cells_of_later_stacks_have_later_numbers():
    labels = np.zeros((2, 3, 12, 12), np.int32)
    labels[0, :, 2:6, 2:6] = np.arange(1, 4)[:, None, None]
    labels[1, :, 2:6, 2:6] = np.arange(4, 7)[:, None, None]
    sure = np.array([0.1, 0.2, 0.3, 0.5, 0.5, 0.8], np.float32)

    joined, confidence = join_stack(labels, sure, "TZYX", SegmentOptions())

    assert [set(np.unique(stack)) for stack in joined] == [{0, 1}, {0, 2}]
    assert confidence == pytest.approx([0.2, 0.6])


def test_joining_in_place_gives_the_same():
    labels = np.stack(
        [by_planes(balls((9, 40, 40), [(4, 12, 12), (4, 30, 26)], (4, 7, 7)))] * 2
    )
    labels[1][labels[1] > 0] += labels[0].max()
    sure = np.linspace(0.1, 0.9, labels.max(), dtype=np.float32)
    joined, confidence = join_stack(labels, sure, "TZYX", SegmentOptions())

    again, same = join_stack(labels, sure, "TZYX", SegmentOptions(), out=labels)

    assert again is labels
    np.testing.assert_array_equal(again, joined)
    np.testing.assert_array_equal(same, confidence)


def test_ids_of_planes_run_on_and_planes_without_cells_stay_empty():
    taken = PlanesInOne((3, 1, 2, 3))
    first = np.array([[0, 1, 2], [0, 1, 2]], np.int32)
    taken.add(first, np.array([0.5, 0.6], np.float32))
    taken.add(np.zeros((2, 3), np.int32), np.zeros(0, np.float32))
    taken.add(np.array([[1, 0, 0], [0, 0, 0]], np.int32), np.array([0.7], np.float32))

    labels, confidence = taken.joined("TCYX", SegmentOptions())

    assert np.array_equal(labels[0, 0], first)
    assert not labels[1].any()
    assert np.array_equal(labels[2, 0], [[3, 0, 0], [0, 0, 0]])
    assert np.array_equal(confidence, np.array([0.5, 0.6, 0.7], np.float32))


def test_without_a_plane_there_is_no_cell():
    labels, confidence = PlanesInOne((4, 5)).joined("YX", SegmentOptions())

    assert not labels.any()
    assert confidence.shape == (0,)
