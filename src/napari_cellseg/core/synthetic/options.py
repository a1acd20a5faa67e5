"""What a synthetic scene shows, and what the microscope does to it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.options import Range, check_options, option

KINDS = (
    "nuclei",
    "whole_cells",
    "phase_contrast",
    "histology",
    "brightfield_rounded",
    "rods",
    "glowing_rods",
    "cell_bodies",
    "blank",
    "tissue",
)
#: The largest side of a scene; drawing one takes about 60 bytes a pixel.
MAX_SIDE_PX = 8192


@dataclass(frozen=True, slots=True)
class OpticsOptions:
    """What lies between the specimen and the pixels. See each field's `Range`."""

    blur_px: float = option(
        1.0, Range(0, 12, 0.1, "px", help="Blur of lens and defocus.")
    )
    haze: float = option(0.1, Range(0, 1, 0.01, help="Light from out-of-focus planes."))
    noise: float = option(
        0.03, Range(0, 1, 0.01, help="Noise at full signal: half photons, half camera.")
    )
    grain_px: float = option(
        0.0, Range(0, 3, 0.1, "px", help="Smoothing after the noise.")
    )
    uneven_light: float = option(
        0.1, Range(0, 1, 0.01, help="Height of slow drifts of light.")
    )
    vignetting: float = option(
        0.1, Range(0, 0.9, 0.01, help="Light lost in the corners.")
    )
    contrast: float = option(
        1.0,
        Range(
            0.05, 2, 0.05, help="Signal over the range of the camera; above 1 it clips."
        ),
    )
    bit_depth: int = option(
        16, Range(8, 16, 4, "bit", help="8 gives uint8; 12 and 16 uint16.")
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What the cells look like. See each field's `Range`."""

    kind: str = option("nuclei", Range(choices=KINDS, help="What is shown."))
    n_cells: int = option(
        60, Range(0, 20_000, help="Cells that are tried; fewer where they do not fit.")
    )
    diameter_px: float = option(
        24.0,
        Range(4, 400, 0.5, "px", help="Diameter of the circle of a cell's mean area."),
    )
    size_spread: float = option(
        0.15, Range(0, 0.6, 0.01, help="Spread of sizes over the mean.")
    )
    elongation: float = option(
        1.3, Range(1, 8, 0.1, help="Long over short axis, on average.")
    )
    irregularity: float = option(
        0.3, Range(0, 1, 0.01, help="0: smooth outlines; 1: ragged.")
    )
    clustering: float = option(
        0.4, Range(0, 1, 0.01, help="0: spread out; 1: in clumps.")
    )
    texture: float = option(
        0.4, Range(0, 1, 0.01, help="Height of the structure in a cell.")
    )
    variation: float = option(
        0.3, Range(0, 1, 0.01, help="How much cells differ in brightness.")
    )
    debris: float = option(0.1, Range(0, 1, 0.01, help="Dirt that is no cell."))
    flatness: float = option(
        0.0, Range(0, 1, 0.01, help="Share of thin, faint cells; phase_contrast only.")
    )
    has_nuclei_channel: bool = option(
        False, Range(help="Adds a second channel with the nuclei; whole_cells only.")
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """A scene: its size, its cells and its microscope.

    Attributes
    ----------
    shape_yx : tuple of int
        Size in pixels, 16 to `MAX_SIDE_PX` each.
    cells : CellOptions
        What is shown.
    optics : OpticsOptions
        How it is imaged.
    pixel_size_um : float or None
        Written into the image; None leaves it unknown.
    """

    shape_yx: tuple[int, int] = (512, 512)
    cells: CellOptions = CellOptions()
    optics: OpticsOptions = OpticsOptions()
    pixel_size_um: float | None = None

    def __post_init__(self) -> None:
        sides = self.shape_yx
        if len(sides) != 2 or not all(16 <= side <= MAX_SIDE_PX for side in sides):
            raise OptionsError(
                f"The shape of the scene is {sides}; two sizes (y, x) from 16 to "
                f"{MAX_SIDE_PX} px are needed."
            )
