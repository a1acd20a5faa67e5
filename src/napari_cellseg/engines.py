"""Local or remote: the one place that chooses where a job runs.

Only what is chosen is imported; the viewer's process never imports torch.
"""

from __future__ import annotations

from pathlib import Path

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.io import model_folder
from napari_cellseg.nn.child import ChildSegmenter

PLACES = ("local",)


def open_segmenter(
    where: str = "local",
    model: str | Path | None = None,
    *,
    in_child: bool = False,
    device: str = "auto",
) -> Segmenter:
    """Return a segmenter.

    Parameters
    ----------
    where : str
        One of `PLACES`.
    model : str, Path or None
        Name or folder of the model; None means the default one.
    in_child : bool
        Run in a process of its own, as the dock does.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    OptionsError
        If `where` is unknown.
    ModelError
        If the model cannot be used.
    """
    if where not in PLACES:
        raise OptionsError(f"'{where}' is no place to run; known: {', '.join(PLACES)}.")
    if in_child:
        return ChildSegmenter(model, device)
    # torch takes seconds to import, and only this branch needs it.
    from napari_cellseg.nn.local import LocalSegmenter

    return LocalSegmenter(model, device)


def list_models() -> list[ModelSpec]:
    """Return what each model is, the shipped ones first."""
    return [spec for _, spec in model_folder.list_models()]
