"""Large labels are drawn in bands, with the same pixels."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_cellseg.core.labels.contours import contours
from napari_cellseg.widgets.labels import part_shown
from napari_cellseg.widgets.labels.label_look import bright_colours

PARTS = [None, (slice(11, 53), slice(4, 37))]


@pytest.fixture
def layer():
    data = np.random.default_rng(0).integers(0, 4, (12, 10)).astype(np.int32)
    return Labels(data.repeat(5, 0).repeat(4, 1), colormap=bright_colours())


@pytest.mark.parametrize("part", PARTS, ids=["all", "a part"])
@pytest.mark.parametrize("contour", [0, 2])
def test_bands_are_drawn_as_the_whole_is(layer, part, contour, monkeypatch):
    layer.contour = contour
    expected = layer._raw_to_displayed(layer.data, part)
    sizes = []

    def looked_at(labels, *more):
        sizes.append(labels.size)
        return contours(labels, *more)

    monkeypatch.setattr(part_shown, "contours", looked_at)
    monkeypatch.setattr(part_shown, "BAND_PIXELS", 7 * 40)
    part_shown.outline_fast(layer)
    found = layer._raw_to_displayed(layer.data, part)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype
    # Never all at once: a band, and what lies around it.
    assert max(sizes, default=0) <= (8 + 2 * contour) * 40
    assert bool(sizes) == bool(contour)
