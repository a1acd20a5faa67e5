"""Synthetic microscopy with exactly known truth."""

from napari_cellseg.core.synthetic.draws import random_scene
from napari_cellseg.core.synthetic.options import (
    KINDS,
    CellOptions,
    OpticsOptions,
    SceneOptions,
)
from napari_cellseg.core.synthetic.scenes import Scene, make_scene

__all__ = [
    "KINDS",
    "CellOptions",
    "OpticsOptions",
    "Scene",
    "SceneOptions",
    "make_scene",
    "random_scene",
]
