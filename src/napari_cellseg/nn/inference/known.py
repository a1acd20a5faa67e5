"""A model by its name: one of ours from its folder, or another program's."""

from __future__ import annotations

from pathlib import Path

from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.io.models.folder import find_model, read_model_spec
from napari_cellseg.nn.adapters import adapter_spec, is_adapter, open_adapter


def known_model(model: str | Path | None) -> tuple[str, ModelSpec]:
    """Return what opens a model in any process, and what it is; None is the default.

    Raises
    ------
    ModelError
        If there is no such model, or its program is not installed.
    """
    if is_adapter(model):
        return str(model), adapter_spec(str(model))
    folder = find_model(model)
    return str(folder), read_model_spec(folder)


def open_here(model: str | Path | None, device: str = "auto") -> Segmenter:
    """Return a segmenter that runs in this process; raises `CellsegError`."""
    if is_adapter(model):
        return open_adapter(str(model), device)
    # torch takes seconds to import, and only this branch needs it.
    from napari_cellseg.nn.inference.local import LocalSegmenter

    return LocalSegmenter(model, device)
