"""Drawn outlines as masks."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.draw import polygon

from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.outlines import outline_mask

whole = st.integers(-4, 14)
halves = st.integers(-8, 28).map(lambda value: value / 2)
any_value = st.floats(-4, 14, width=32)


def distances(outline, shape):
    """Return how far each pixel's centre is from the nearest edge."""
    points = np.stack(np.indices(shape), -1).astype(float)
    found = np.full(shape, np.inf)
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        way = end - start
        share = np.clip((points - start) @ way / max(way @ way, 1e-300), 0, 1)
        nearest = start + share[..., None] * way
        found = np.minimum(found, np.linalg.norm(points - nearest, axis=-1))
    return found


@pytest.mark.parametrize("values", [whole, halves, any_value], ids=["1", "1/2", "any"])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_the_mask_holds_what_lies_in_or_on_the_polygon(values, data):
    corners = data.draw(st.lists(st.tuples(values, values), min_size=3, max_size=7))
    outline, shape = np.array(corners, float), (9, 11)
    away = distances(outline, shape)
    inside, found = np.zeros(shape, bool), np.zeros(shape, bool)
    inside[polygon(outline[:, 0], outline[:, 1], shape)] = True
    with contextlib.suppress(EditError):  # nothing was found
        mask, box = outline_mask(outline, shape)
        found[box] = mask
    assert found[away == 0].all()
    np.testing.assert_array_equal(found[away > 1e-6], inside[away > 1e-6])


def test_an_outline_beside_the_image_is_refused():
    with pytest.raises(EditError, match="no pixel"):
        outline_mask(np.array([(20, 20), (20, 30), (30, 30)]), (9, 11))
