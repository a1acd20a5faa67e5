"""Synthetic microscopy with exactly known truth."""

from napari_cellseg.core.synthetic.draws import (
    random_blank,
    random_bodies,
    random_rods,
    random_scene,
    random_tissue,
)
from napari_cellseg.core.synthetic.options import (
    KINDS,
    CellOptions,
    OpticsOptions,
    SceneOptions,
)
from napari_cellseg.core.synthetic.samples import (
    SAMPLE_NAMES,
    sample_image,
    sample_scene,
)
from napari_cellseg.core.synthetic.scenes import Scene, make_scene

__all__ = [
    "KINDS",
    "SAMPLE_NAMES",
    "CellOptions",
    "OpticsOptions",
    "Scene",
    "SceneOptions",
    "make_scene",
    "random_blank",
    "random_bodies",
    "random_rods",
    "random_scene",
    "random_tissue",
    "sample_image",
    "sample_scene",
]
