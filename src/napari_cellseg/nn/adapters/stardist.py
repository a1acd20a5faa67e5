"""StarDist (Schmidt et al. 2018, doi:10.1007/978-3-030-00934-2_30), if installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import Labels
from napari_cellseg.nn.adapters.cellpose import digest_of
from napari_cellseg.nn.adapters.offers import ForeignModel, Offer

#: Its published models were trained on intensities scaled like this, in percent.
PERCENTILES = (1.0, 99.8)
WEIGHTS_NAME = "weights_best.h5"


def _models(version: str) -> tuple[ForeignModel, ...]:
    """Return its published models for planes; the same in every version."""
    del version
    return (
        ForeignModel("2D_versatile_fluo", "Nuclei in fluorescence.", "", 24.0),
        ForeignModel("2D_versatile_he", "Nuclei in H&E stained tissue.", "", 20.0),
        ForeignModel("2D_paper_dsb2018", "Nuclei, as in the paper.", "", 24.0),
    )


class StarDistProgram:
    """StarDist with a model loaded.

    Parameters
    ----------
    name : str
        A published model, or the path of a model folder.
    device : str
        ``"cpu"`` keeps off the GPU; TensorFlow decides otherwise.
    """

    def __init__(self, name: str, device: str) -> None:
        import tensorflow as tf
        from csbdeep.models.pretrained import get_model_folder
        from stardist.models import StarDist2D

        if device == "cpu":
            tf.config.set_visible_devices([], "GPU")
        self.device = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
        folder = Path(name)
        if not folder.is_dir():
            if name not in {model.name for model in _models("")}:
                raise ModelError(
                    f"StarDist has no model '{name}', and there is no such folder."
                )
            folder = Path(get_model_folder(StarDist2D, name))
        self._model: Any = StarDist2D(None, folder.name, str(folder.parent))
        self.digest = digest_of(folder / WEIGHTS_NAME)
        self._best_px = next(
            (model.diameter_px for model in _models("") if model.name == name), None
        )

    def segment_plane(
        self, plane: NDArray[np.generic], options: SegmentOptions
    ) -> tuple[Labels, NDArray[np.float32]]:
        """Return labels, and the object probability of each of them."""
        from csbdeep.utils import normalize

        shown = self._shown(plane)
        shown = normalize(shown, *PERCENTILES, axis=(0, 1)[: shown.ndim])
        scale = None
        if options.diameter_px and self._best_px:
            scale = self._best_px / options.diameter_px
        labels, details = self._model.predict_instances(
            shown,
            prob_thresh=options.foreground_threshold,
            n_tiles=self._model._guess_n_tiles(shown),
            scale=scale,
            show_tile_progress=False,
        )
        chances = np.asarray(details["prob"], dtype=np.float32)
        return np.asarray(labels).astype(np.int32), chances

    def _shown(self, plane: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the plane with as many channels as the model wants, channels last."""
        pixels = np.moveaxis(plane.astype(np.float32), 0, -1)
        n_wanted = int(self._model.config.n_channel_in)
        if n_wanted == 1:
            return np.asarray(pixels.mean(-1))
        return np.asarray(
            np.repeat(pixels, n_wanted, -1) if len(plane) == 1 else pixels
        )


STARDIST = Offer(
    "stardist",
    "StarDist",
    "stardist",
    "stardist",
    "pip install stardist tensorflow",
    "BSD-3-Clause",
    _models,
    StarDistProgram,
)
