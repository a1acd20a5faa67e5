"""An image that memory cannot hold is refused before it is read."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_cellseg.core.errors import LimitError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.nn import memory
from napari_cellseg.nn.inference.local import LocalSegmenter
from napari_cellseg.nn.memory import check_memory

GIB = 2**30


class Unread:
    """Pixels that only have a shape."""

    dtype = np.dtype(np.uint8)

    def __init__(self, *shape: int) -> None:
        self.shape = shape


@pytest.fixture(autouse=True)
def small_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a computer of 16 GiB."""
    ram, swap = SimpleNamespace(total=15 * GIB), SimpleNamespace(total=GIB)
    stand_in = SimpleNamespace(virtual_memory=lambda: ram, swap_memory=lambda: swap)
    monkeypatch.setattr(memory, "psutil", stand_in)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((3, 20_000, 20_000), "CYX"), ((1, 900, 2048, 2048), "CZYX")],
    ids=["plane", "stack"],
)
def test_what_fits_is_let_through(shape: tuple[int, ...], axes: str) -> None:
    check_memory(CellImage(Unread(*shape), axes), SegmentOptions())


@pytest.mark.parametrize(
    ("shape", "axes", "keeps"),
    [
        ((3, 40_000, 40_000), "CYX", False),
        ((1, 1100, 2048, 2048), "CZYX", False),
        ((1, 500, 2048, 2048), "CZYX", True),
    ],
    ids=["plane", "stack", "stack with maps"],
)
def test_what_can_never_fit_is_refused(
    shape: tuple[int, ...], axes: str, keeps: bool
) -> None:
    image = CellImage(Unread(*shape), axes, name="slide.svs")

    with pytest.raises(LimitError, match=r"slide.svs.*16.0 GiB.*--region"):
        check_memory(image, SegmentOptions(keep_maps=keeps))


def test_the_engine_refuses_before_it_reads() -> None:
    image = CellImage(Unread(1, 40_000, 40_000), "CYX")

    with pytest.raises(LimitError, match="at once"):
        run(LocalSegmenter(device="cpu").segment(image, SegmentOptions()))
