"""Labels for property tests: noise, which is the hardest case, and blobs like cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

LEADS: list[tuple[int, ...]] = [(), (2,), (2, 2)]


@st.composite
def drawn_labels(draw: Any, lead: tuple[int, ...]) -> NDArray[np.int32]:
    """Int32 labels with some leading axes; ids have gaps, cells may be in pieces."""
    height, width = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    ids = st.sampled_from([0, 0, 0, 1, 2, 3, 7, 1000])
    small = draw(hnp.arrays(np.int32, (*lead, height, width), elements=ids))
    zoom = draw(st.sampled_from([1, 3, 4]))
    labels = small.repeat(zoom, axis=-2).repeat(zoom, axis=-1)
    if zoom > 1 and draw(st.booleans()):
        labels[..., 1::zoom, 1::zoom] = 0  # a hole in every block
    return labels


@st.composite
def drawn_points(draw: Any, shape_yx: tuple[int, int], n_least: int) -> Any:
    """An (n, 2) float array of points in and around a plane."""
    y, x = (st.floats(-3, size + 2, width=16) for size in shape_yx)
    points = draw(st.lists(st.tuples(y, x), min_size=n_least, max_size=5))
    return np.array(points, float)


def planes_of(labels: NDArray[np.int32]) -> st.SearchStrategy[tuple[int, ...]]:
    """A position on the leading axes."""
    return st.tuples(*(st.integers(0, size - 1) for size in labels.shape[:-2]))


def areas(labels: NDArray[np.int32]) -> dict[int, int]:
    """Return the number of pixels of each cell."""
    ids, counts = np.unique(labels[labels != 0], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))
