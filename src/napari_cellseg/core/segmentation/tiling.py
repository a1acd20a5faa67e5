"""Cutting a plane into windows that overlap, and what each of them answers for.

Every window starts at a multiple of the network's stride, so that its pooling grid lies
as in a run on the whole plane; together with the halo this makes the tiled answer the
same up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Edge of the part of a window that is kept, and what is read around it, in pixels.
CORE_PX = 896
HALO_PX = 64
#: A plane up to this size along both axes is one window.
WHOLE_PX = CORE_PX + 6 * HALO_PX

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Tile:
    """One window of a plane.

    Attributes
    ----------
    window_y, window_x : (start, stop)
        What is read.
    core_y, core_x : (start, stop)
        What is kept; the cores of a plane cover it once.
    """

    window_y: Span
    window_x: Span
    core_y: Span
    core_x: Span

    @property
    def window(self) -> tuple[slice, slice]:
        """The window as an index of the plane."""
        return slice(*self.window_y), slice(*self.window_x)

    @property
    def core(self) -> tuple[slice, slice]:
        """The core as an index of the plane."""
        return slice(*self.core_y), slice(*self.core_x)

    @property
    def core_in_window(self) -> tuple[slice, slice]:
        """The core as an index of the window."""
        return _shifted(self.core_y, self.window_y), _shifted(
            self.core_x, self.window_x
        )


def _shifted(core: Span, window: Span) -> slice:
    """Return `core` as seen from the start of `window`."""
    return slice(core[0] - window[0], core[1] - window[0])


def plan_tiles(
    shape_yx: tuple[int, int],
    core_px: int = CORE_PX,
    halo_px: int = HALO_PX,
    whole_px: int = WHOLE_PX,
) -> list[Tile]:
    """Return the tiles of a plane, row by row.

    Parameters
    ----------
    shape_yx : (y, x)
        Size of the plane.
    core_px, halo_px : int
        Multiples of the network's stride.
    whole_px : int
        Planes up to this size along both axes are one tile.
    """
    if max(shape_yx) <= whole_px:
        whole_y, whole_x = (0, shape_yx[0]), (0, shape_yx[1])
        return [Tile(whole_y, whole_x, whole_y, whole_x)]
    return [
        Tile(window_y, window_x, core_y, core_x)
        for core_y, window_y in _spans(shape_yx[0], core_px, halo_px)
        for core_x, window_x in _spans(shape_yx[1], core_px, halo_px)
    ]


def _spans(size: int, core_px: int, halo_px: int) -> Iterator[tuple[Span, Span]]:
    """Yield core and window along one axis."""
    for start in range(0, size, core_px):
        stop = min(start + core_px, size)
        yield (start, stop), (max(0, start - halo_px), min(size, stop + halo_px))
