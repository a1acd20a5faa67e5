"""Labels of planes come one after another and are numbered on."""

from __future__ import annotations

import numpy as np

from napari_cellseg.core.planes_in_one import PlanesInOne


def test_ids_run_on_and_planes_without_cells_stay_empty() -> None:
    taken = PlanesInOne((3, 1, 2, 3))
    taken.add(
        np.array([[0, 1, 2], [0, 1, 2]], np.int32), np.array([0.5, 0.6], np.float32)
    )
    taken.add(np.zeros((2, 3), np.int32), np.zeros(0, np.float32))
    taken.add(np.array([[1, 0, 0], [0, 0, 0]], np.int32), np.array([0.7], np.float32))

    np.testing.assert_array_equal(taken.labels[0, 0], [[0, 1, 2], [0, 1, 2]])
    assert not taken.labels[1].any()
    np.testing.assert_array_equal(taken.labels[2, 0], [[3, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(
        taken.confidence, np.array([0.5, 0.6, 0.7], np.float32)
    )


def test_without_a_plane_there_is_no_cell() -> None:
    taken = PlanesInOne((4, 5))

    assert not taken.labels.any()
    assert taken.confidence.shape == (0,)
