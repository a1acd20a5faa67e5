"""What a person says of labels that are to be measured."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.options import Range, option
from napari_cellseg.core.segmentation.region_text import parse_region

#: What the person types counts more than what a file says.
PIXEL_SIZE = Range(
    1e-6, 1e6, help="Edge of a pixel; counts more than what a file says.", unit="µm"
)
Z_STEP = Range(
    1e-6, 1e6, help="Distance of planes; counts more than what a file says.", unit="µm"
)

SCENE = Range(1, 100_000, help="Which image of files that hold several; from 1.")
LEVEL = Range(0, 100, help="Resolution of a pyramid: 0 is the full one, 1 the next.")
REGION = Range(
    help="Only these rows and columns of the image, such as 0:2048,4096:6144, in pixels "
    "of its level."
)


@dataclass(frozen=True, slots=True)
class LabelsReading:
    """What labels and their image do not say, or say wrongly. See each field's `Range`.

    `scene`, `level` and `region` are of the image; labels are one image a file.
    """

    axes: str | None = option(
        None, Range(help="Axes of the labels where they do not say, such as ZYX.")
    )
    scene: int | None = option(None, SCENE)
    level: int = option(0, LEVEL)
    region: str | None = option(None, REGION)
    pixel_size_um: float | None = option(None, PIXEL_SIZE)
    z_step_um: float | None = option(None, Z_STEP)

    def __post_init__(self) -> None:
        if self.region is not None:
            parse_region(self.region)
