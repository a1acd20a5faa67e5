"""InstanSeg (Goldsborough et al. 2024, arXiv:2408.15954), if installed."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import Labels
from napari_cellseg.nn.adapters.cellpose import digest_of
from napari_cellseg.nn.adapters.offers import ForeignModel, Offer

#: Where InstanSeg looks for its models.
FOLDER_VARIABLE = "INSTANSEG_BIOIMAGEIO_PATH"
#: A given diameter is told to InstanSeg as the pixel size at which cells are this large.
CELL_UM = 10.0
#: Larger planes are cut into tiles, by InstanSeg.
SMALL_PX = 1500 * 1500


def _models(version: str) -> tuple[ForeignModel, ...]:
    """Return its published models; the same in every version."""
    del version
    return (
        ForeignModel(
            "fluorescence_nuclei_and_cells", "Cells in fluorescence.", "", 20.0
        ),
        ForeignModel("single_channel_nuclei", "Nuclei in one channel.", "", 20.0),
        ForeignModel("brightfield_nuclei", "Nuclei in stained tissue.", "", 20.0),
    )


class InstanSegProgram:
    """InstanSeg with a model loaded.

    Parameters
    ----------
    name : str
        A published model, or the path of a folder with an ``instanseg.pt``.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    """

    def __init__(self, name: str, device: str) -> None:
        from instanseg import InstanSeg

        from napari_cellseg.nn.device import choose_device, device_title

        chosen = choose_device(device)
        self.device = device_title(chosen)
        self._model: Any = InstanSeg(name, device=str(chosen), verbosity=0)
        self.digest = digest_of(_weights_of(name))

    def segment_plane(
        self, plane: NDArray[np.generic], options: SegmentOptions
    ) -> tuple[Labels, NDArray[np.float32]]:
        """Return labels; InstanSeg tells of no doubt, so every confidence is 1."""
        values: dict[str, Any] = {"return_image_tensor": False}
        if options.diameter_px:
            values["pixel_size"] = CELL_UM / options.diameter_px
        if options.foreground_threshold is not None:
            values["mask_threshold"] = options.foreground_threshold
        if options.seed_threshold is not None:
            values["seed_threshold"] = options.seed_threshold
        is_small = plane[0].size <= SMALL_PX
        run = (
            self._model.eval_small_image if is_small else self._model.eval_medium_image
        )
        answer = run(plane.astype(np.float32), **values)
        # (1, kinds, y, x); where there are nuclei and cells, the cells come last.
        labels = np.asarray(answer.cpu())[0, -1].astype(np.int32)
        return labels, np.ones(int(labels.max(initial=0)), dtype=np.float32)


def _weights_of(name: str) -> Path:
    """Return the newest weights file of a model, or a path where there is none."""
    found = importlib.util.find_spec("instanseg")
    origin = found.origin if found is not None and found.origin else "."
    base = os.environ.get(FOLDER_VARIABLE) or Path(origin).parent / "bioimageio_models"
    files = sorted((Path(base) / name).glob("**/instanseg.pt"))
    return files[-1] if files else Path(base) / name / "instanseg.pt"


INSTANSEG = Offer(
    "instanseg",
    "InstanSeg",
    "instanseg",
    "instanseg-torch",
    "pip install instanseg-torch seaborn",
    "Apache-2.0",
    _models,
    InstanSegProgram,
)
