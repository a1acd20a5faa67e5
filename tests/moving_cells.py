"""Discs that move and divide, with their true tracks."""

from __future__ import annotations

import numpy as np

SHAPE_YX = (120, 160)


def disc(plane, centre, radius, cell):
    """Draw a cell where there is none yet."""
    y, x = np.ogrid[: plane.shape[0], : plane.shape[1]]
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    plane[inside & (plane == 0)] = cell


def moving_cells(n_frames=8, seed=0):
    """Return true labels, (T, Y, X), and parents: nine cells that move, two divide.

    Cell 1 divides on frame 4 into 10 and 11, cell 5 on frame 5 into 12 and 13.
    """
    rng = np.random.default_rng(seed)
    places = {
        i + 1: np.array([20.0 + 40 * (i // 3), 25.0 + 50 * (i % 3)]) for i in range(9)
    }
    steps = {cell: rng.uniform(-2, 2, 2) for cell in places}
    radii = dict.fromkeys(places, 8.0)
    parents = {}
    labels = np.zeros((n_frames, *SHAPE_YX), np.int32)
    for frame in range(n_frames):
        for mother, at, daughters in ((1, 4, (10, 11)), (5, 5, (12, 13))):
            if frame == at:
                centre = places.pop(mother)
                for daughter, side in zip(daughters, (-6, 6), strict=True):
                    places[daughter] = centre + np.array([0.0, side])
                    steps[daughter] = np.array([0.0, side / 6])
                    radii[daughter] = 5.5
                    parents[daughter] = mother
        for cell, centre in places.items():
            disc(labels[frame], centre, radii[cell], cell)
            places[cell] = centre + steps[cell]
    return labels, parents


def frame_by_frame(truth, seed=1):
    """Return the same cells as a model gives them: every frame with ids of its own."""
    rng = np.random.default_rng(seed)
    labels = np.zeros_like(truth)
    n_before = 0
    for frame, plane in enumerate(truth):
        cells = rng.permutation(np.unique(plane)[1:])
        for number, cell in enumerate(cells, start=1):
            labels[frame][plane == cell] = n_before + number
        n_before += len(cells)
    return labels


def same_cells(labels, truth):
    """Return the id in `labels` of each true cell; fails unless it is one to one."""
    pairs = np.unique(np.stack([truth.ravel(), labels.ravel()]), axis=1).T
    found = dict(pairs.tolist())
    assert len(pairs) == len(found) == len(set(found.values())), pairs.tolist()
    return found
