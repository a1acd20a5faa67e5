"""Labels of windows, placed as in a run on the whole plane."""

import itertools

import numpy as np
import pytest

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.decode import labels_from_maps
from napari_cellseg.core.segmentation.resize import seen_size
from napari_cellseg.core.segmentation.window_labels import labels_of_window, plane_span
from napari_cellseg.core.types import PlaneMaps

SETTLED = SegmentOptions(
    decoder="watershed",
    foreground_threshold=0.5,
    seed_threshold=0.5,
    min_confidence=0.0,
    min_area_px=4,
)


@pytest.mark.parametrize(("n_seen", "n_plane"), [(100, 100), (64, 101), (150, 100)])
def test_spans_that_follow_each_other_cover_the_plane_once(
    n_seen: int, n_plane: int
) -> None:
    edges = [0, 17, 32, 60, n_seen]

    spans = [plane_span((a, b), n_seen, n_plane) for a, b in itertools.pairwise(edges)]

    covered = [place for span in spans for place in range(span.start, span.stop)]
    assert covered == list(range(n_plane))


def maps_of_blobs(shape_yx: tuple[int, int]) -> np.ndarray:
    """Return maps of round blobs 24 px apart."""
    rows, columns = np.indices(shape_yx)
    near = np.hypot(rows % 24 - 12, columns % 24 - 12)
    maps = np.zeros((5, *shape_yx), np.uint8)
    maps[0] = np.where(near < 8, 255, 0)
    maps[1] = np.clip(255 * (1 - near / 9), 0, 255)
    maps[3:] = 128
    return maps


@pytest.mark.parametrize("zoom", [1.0, 0.6, 1.7])
def test_the_cells_of_a_window_are_those_of_the_plane(zoom: float) -> None:
    plane_yx = (150, 130)
    seen_yx = seen_size(plane_yx, zoom)
    maps = maps_of_blobs(seen_yx)
    whole, _ = labels_from_maps(PlaneMaps(maps, plane_yx), SETTLED)
    window = ((24, seen_yx[0]), (0, seen_yx[1] - 24))

    part = labels_of_window(
        maps[:, 24:, : seen_yx[1] - 24], window, (seen_yx, plane_yx), SETTLED
    )

    # Away from the edges of the window, which cut cells off.
    inner = (slice(40, None), slice(0, -40))
    expected = whole[part.place][inner] > 0
    found = part.labels[inner] > 0
    assert expected.any()
    assert (expected != found).mean() < 0.002
    assert len(part.confidence) == part.labels.max()


def test_sizes_count_in_pixels_of_the_plane() -> None:
    plane_yx = (100, 100)
    seen_yx = seen_size(plane_yx, 2.0)
    maps = maps_of_blobs(seen_yx)  # blobs of 193 px seen, 50 px of the plane
    window = ((0, seen_yx[0]), (0, seen_yx[1]))
    large_only = SegmentOptions(**{**SETTLED.to_dict(), "min_area_px": 100})

    kept = labels_of_window(maps, window, (seen_yx, plane_yx), SETTLED)
    none = labels_of_window(maps, window, (seen_yx, plane_yx), large_only)

    assert kept.labels.max() > 10
    assert none.labels.max() == 0
