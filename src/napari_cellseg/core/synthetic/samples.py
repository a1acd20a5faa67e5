"""The sample images that come with the package, drawn when they are asked for."""

from __future__ import annotations

from dataclasses import replace

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.synthetic.options import (
    CellOptions,
    OpticsOptions,
    SceneOptions,
)
from napari_cellseg.core.synthetic.scenes import Scene, make_scene
from napari_cellseg.core.types import CellImage

#: A 20x objective on a camera with pixels of 6.5 µm.
PIXEL_SIZE_UM = 0.325

_NUCLEI = SceneOptions(
    cells=CellOptions(
        n_cells=95,
        diameter_px=36,
        size_spread=0.14,
        elongation=1.35,
        irregularity=0.2,
        clustering=0.45,
        texture=0.35,
        variation=0.28,
    ),
    optics=OpticsOptions(
        blur_px=1.2, haze=0.08, noise=0.02, contrast=0.16, uneven_light=0.1
    ),
    pixel_size_um=PIXEL_SIZE_UM,
)
_TWO_CHANNELS = SceneOptions(
    cells=CellOptions(
        kind="whole_cells",
        n_cells=70,
        diameter_px=62,
        irregularity=0.3,
        clustering=0.5,
        texture=0.45,
        variation=0.22,
        has_nuclei_channel=True,
    ),
    optics=OpticsOptions(
        blur_px=1.1, haze=0.05, noise=0.008, contrast=0.4, bit_depth=12
    ),
    pixel_size_um=PIXEL_SIZE_UM,
)
_PHASE_CONTRAST = SceneOptions(
    cells=CellOptions(
        kind="phase_contrast",
        n_cells=40,
        diameter_px=58,
        size_spread=0.2,
        elongation=1.8,
        irregularity=0.35,
        clustering=0.5,
        texture=0.45,
        variation=0.15,
        debris=0.25,
    ),
    optics=OpticsOptions(blur_px=0.8, noise=0.008, vignetting=0.04, bit_depth=8),
)
_HISTOLOGY = SceneOptions(
    cells=CellOptions(
        kind="histology",
        n_cells=190,
        diameter_px=24,
        size_spread=0.2,
        elongation=1.5,
        irregularity=0.3,
        clustering=0.35,
        texture=0.45,
        variation=0.25,
    ),
    optics=OpticsOptions(
        blur_px=0.9, noise=0.012, uneven_light=0.02, vignetting=0.03, bit_depth=8
    ),
)

#: Options and seed of each sample; the seeds were chosen by eye.
_SAMPLES: dict[str, tuple[SceneOptions, int]] = {
    "nuclei": (_NUCLEI, 4),
    "two_channels": (_TWO_CHANNELS, 2),
    "phase_contrast": (_PHASE_CONTRAST, 0),
    "histology": (_HISTOLOGY, 3),
}
SAMPLE_NAMES = tuple(_SAMPLES)


def sample_scene(name: str) -> Scene:
    """Return a sample image with its exact truth; the same pixels at every call.

    Parameters
    ----------
    name : str
        One of `SAMPLE_NAMES`.

    Raises
    ------
    OptionsError
        If there is no such sample.
    """
    if name not in _SAMPLES:
        raise OptionsError(
            f"There is no sample '{name}'; choose one of {', '.join(SAMPLE_NAMES)}."
        )
    options, seed = _SAMPLES[name]
    scene = make_scene(options, seed)
    image = replace(scene.image, name=f"sample {name.replace('_', ' ')}")
    return replace(scene, image=image)


def sample_image(name: str) -> CellImage:
    """Return the sample `name` as (C, 512, 512), drawn in a fraction of a second.

    Parameters
    ----------
    name : str
        One of `SAMPLE_NAMES`.

    Raises
    ------
    OptionsError
        If there is no such sample.
    """
    return sample_scene(name).image
