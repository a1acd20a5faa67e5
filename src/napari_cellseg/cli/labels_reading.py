"""What a person says of labels that are to be measured."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.options import Range, option

#: What the person types counts more than what a file says.
PIXEL_SIZE = Range(
    1e-6, 1e6, help="Edge of a pixel; counts more than what a file says.", unit="µm"
)
Z_STEP = Range(
    1e-6, 1e6, help="Distance of planes; counts more than what a file says.", unit="µm"
)

SCENE = Range(1, 100_000, help="Which image of files that hold several; from 1.")


@dataclass(frozen=True, slots=True)
class LabelsReading:
    """What labels and their image do not say, or say wrongly. See each field's `Range`.

    `scene` is of the image; labels are one image a file.
    """

    axes: str | None = option(
        None,
        Range(help="Axes of the labels where they do not say, such as ZYX."),
    )
    scene: int | None = option(None, SCENE)
    pixel_size_um: float | None = option(None, PIXEL_SIZE)
    z_step_um: float | None = option(None, Z_STEP)
