"""One size of cells for the whole of a stack, also where some of its planes are empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from napari_cellseg.core.jobs import Job
from napari_cellseg.core.types import CellImage

#: Planes, spread over the image, that are looked at before its first one is segmented.
#: Chosen by reasoning: the middle, the quarters and the ends.
SPREAD = (1 / 2, 1 / 4, 3 / 4, 0.0, 1.0)

PlaneIndex: TypeAlias = tuple[int, ...]
#: The zoom of a plane and the diameter, in plane pixels, behind it; None if not known.
Found: TypeAlias = tuple[float, float | None]


class StackZoom:
    """Finds the zoom of an image once, where it can be seen.

    Planes of a stack belong together, so they are shown at one zoom. The middle plane
    says which; if there is no cell on it, the next of `SPREAD` that has one. Where none
    of them has, each plane is asked when its turn comes, until one says a diameter.

    Parameters
    ----------
    image : CellImage
        With any number of planes.
    find : callable
        Returns the job that finds zoom and diameter of the plane at an index; called at
        most once for each plane.
    is_given : bool
        True if no plane can say more than another: the person gave the diameter, or
        wants none to be looked for.
    """

    def __init__(
        self,
        image: CellImage,
        find: Callable[[PlaneIndex], Job[Found]],
        *,
        is_given: bool = False,
    ) -> None:
        self._find = find
        self._is_given = is_given
        self._settled: Found | None = None
        self._empty: dict[PlaneIndex, Found] = {}
        indices = list(image.plane_indices())
        last = len(indices) - 1
        self._first = list(
            dict.fromkeys(indices[int(share * last + 0.5)] for share in SPREAD)
        )

    def at(self, index: PlaneIndex) -> Job[Found]:
        """Return the zoom that the plane at `index` is shown at, and the diameter."""
        while self._settled is None and self._first:
            yield from self._look(self._first.pop(0))
        if self._settled is None and index not in self._empty:
            yield from self._look(index)
        return self._settled or self._empty[index]

    def _look(self, index: PlaneIndex) -> Job[None]:
        """Look at a plane; what it says is settled if it has cells."""
        found = yield from self._find(index)
        if self._is_given or found[1] is not None:
            self._settled = found
        else:
            self._empty[index] = found
