"""One tile of a slide, done in whatever process is asked to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import cast

from napari_cellseg import __version__
from napari_cellseg.core.errors import ImageReadError, OptionsError
from napari_cellseg.core.given_sizes import with_given_sizes
from napari_cellseg.core.segmentation.part import PartSegmenter
from napari_cellseg.core.types import CellImage
from napari_cellseg.engines import open_segmenter
from napari_cellseg.io.reading.images import BY_WINDOWS, read_one_image
from napari_cellseg.slides.plan import SlidePlan, read_plan
from napari_cellseg.slides.tile import segment_tile
from napari_cellseg.slides.tile_file import tile_path, write_tile

PLAN_NAME = "plan.json"


@dataclass(frozen=True, slots=True)
class SlideSource:
    """A slide, and how it is read.

    Attributes
    ----------
    address : str
        Path or address in S3, in full.
    scene : int or None
        Which image of the file, from 1.
    level : int
        Of the pyramid.
    pixel_size_um : float or None
        What was typed; counts more than what the file says.
    """

    address: str
    scene: int | None
    level: int
    pixel_size_um: float | None

    def read(self) -> CellImage:
        """Open the slide; raises `ImageReadError` and others as `read_one_image`."""
        image = read_one_image(
            self.address, self.scene, level=self.level, limits=BY_WINDOWS
        )
        return with_given_sizes(image, self.pixel_size_um, None)

    def pixels_a_level_pixel(self, image: CellImage) -> tuple[float, float]:
        """Return how many pixels of the full resolution one of the level is, (y, x)."""
        full = image if self.level == 0 else replace(self, level=0).read()
        y, x = (a / b for a, b in zip(full.shape[1:], image.shape[1:], strict=True))
        return y, x


@dataclass(frozen=True, slots=True)
class TileWork:
    """What a process must know to do any tile of a slide; called with its number.

    Attributes
    ----------
    source : SlideSource
        The slide.
    folder : Path
        Where tiles and plan lie.
    plan_key : str
        Changes with the plan: a worker that goes on for days keeps what it has opened.
    model, device : str or None
        See `engines.open_segmenter`.
    digest, version : str
        Of the weights, and of the program that hands out the tiles.
    """

    source: SlideSource
    folder: Path
    plan_key: str
    model: str | None
    device: str
    digest: str
    version: str

    def check(self) -> None:
        """Raise `CellsegError` if this process would do other tiles than were asked for.

        Raises
        ------
        OptionsError
            If program or model are others than those of who hands out the tiles.
        ImageReadError
            If the slide, or the plan of this run, is not there.
        """
        if self.version != __version__:
            raise OptionsError(
                f"It has napari-cellseg {__version__}; the program that hands out the tiles "
                f"is {self.version}. Install the same on both."
            )
        _opened(self)
        digest = part_segmenter(self.model, self.device).spec.weights_sha256
        if digest != self.digest:
            raise OptionsError(
                f"Its model '{self.model or 'of the program'}' is {digest[:12]}…; "
                f"{self.digest[:12]}… is asked for. Give --model a folder that all see, or "
                "put the same model on each computer."
            )

    def __call__(self, number: int) -> int:
        """Do a tile, write it, and return how many cells it answers for."""
        image, plan = _opened(self)
        segmenter = part_segmenter(self.model, self.device)
        cells = segment_tile(image, plan, plan.tiles[number], segmenter)
        write_tile(tile_path(self.folder, number), cells)
        return int(cells.is_owned.sum())


@lru_cache(maxsize=2)
def _opened(work: TileWork) -> tuple[CellImage, SlidePlan]:
    """Return slide and plan, opened once a process."""
    found = read_plan(work.folder / PLAN_NAME)
    if found is None or plan_key(work.folder) != work.plan_key:
        raise ImageReadError(
            f"There is no plan of this run in '{work.folder}'. Workers must see the folder "
            "of the results under the same path as the program that hands out the tiles."
        )
    try:
        return work.source.read(), found[0]
    except ImageReadError as error:
        raise ImageReadError(
            f"The slide cannot be read: {error} Workers must see it under the same path as "
            "the program that hands out the tiles."
        ) from error


def plan_key(folder: Path) -> str:
    """Return what changes with the plan of a run."""
    return hashlib.sha256((folder / PLAN_NAME).read_bytes()).hexdigest()


@lru_cache(maxsize=2)
def part_segmenter(model: str | None, device: str) -> PartSegmenter:
    """Return the segmenter of this process.

    Raises
    ------
    OptionsError
        If the model is of a program that cannot be asked for parts of an image.
    """
    segmenter = open_segmenter(model=model, device=device)
    if not hasattr(segmenter, "maps_of_part"):
        raise OptionsError(
            f"The model '{model}' segments whole images only; slides are done in tiles. "
            "Leave out --model, or choose one of `cellseg models list` that is ours."
        )
    return cast("PartSegmenter", segmenter)
