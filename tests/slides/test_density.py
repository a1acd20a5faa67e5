"""Cells per square millimetre."""

import numpy as np
import pytest

from napari_cellseg.core.types import PixelSize
from napari_cellseg.slides.density import density_map


def test_each_square_says_how_many_cells_a_square_millimetre_has() -> None:
    # Squares of 50 µm are 100 px; their middles lie at the pixels 0, 100 and 200.
    middles = np.array([(100, 100), (60, 149), (0, 200)], float)

    density, size = density_map(middles, (201, 201), PixelSize(0.5, 0.5))

    assert density.shape == (3, 3)
    assert (size.y_um, size.x_um) == (50, 50)
    # Two cells on 0.0025 mm².
    assert density[1, 1] == pytest.approx(800)
    # One cell on a corner of which 50.5 x 50.5 px lie on the slide.
    assert density[0, 2] == pytest.approx(1e6 / (50.5 * 50.5 * 0.25))
    assert np.count_nonzero(density) == 2


@pytest.mark.parametrize("shape_yx", [(1, 1), (37, 251), (100, 100), (149, 151)])
def test_no_cell_is_lost_at_the_edge(shape_yx: tuple[int, int]) -> None:
    rows, columns = np.indices(shape_yx).reshape(2, -1)
    middles = np.stack([rows, columns], axis=1).astype(float)

    # Squares of 99 px, so that none ends in the middle of a pixel.
    density, size = density_map(middles, shape_yx, PixelSize(50 / 99, 50 / 99))

    # One cell a pixel everywhere.
    assert size.y_um == pytest.approx(50)
    np.testing.assert_allclose(density, 1e6 / (50 / 99) ** 2, rtol=1e-5)
