"""Packages that look like Cellpose, StarDist and InstanSeg, written into a folder."""

from __future__ import annotations

from pathlib import Path

CELLPOSE = """
import numpy as np
from scipy import ndimage

class CellposeModel:
    def __init__(self, gpu=False, device=None, pretrained_model=None, model_type=None):
        print("a program that talks")
        if pretrained_model == "broken":
            raise FileNotFoundError("no weights for broken")
        self.pretrained_model = pretrained_model or model_type

    def eval(self, x, channel_axis=None, diameter=None, cellprob_threshold=0.0):
        if diameter == 13:
            raise RuntimeError("thirteen\\nis unlucky")
        plane = x if channel_axis is None else x.mean(channel_axis)
        labels = ndimage.label(plane > plane.max() / 2)[0].astype(np.uint16)
        odds = np.where(labels > 0, 2.0, -2.0) - cellprob_threshold
        return labels, [None, np.zeros((2, *plane.shape)), odds], None
"""
STARDIST_MODELS = """
import numpy as np
from scipy import ndimage
from types import SimpleNamespace

class StarDist2D:
    def __init__(self, config, name, basedir):
        self.config = SimpleNamespace(n_channel_in=1)

    def _guess_n_tiles(self, image):
        return (1, 1)

    def predict_instances(self, x, prob_thresh=None, n_tiles=None, scale=None,
                          show_tile_progress=True):
        labels, n = ndimage.label(x > (prob_thresh or 0.5))
        return labels, {"prob": np.linspace(0.9, 0.5, n)}
"""
CSBDEEP_UTILS = """
def normalize(x, low, high, axis=None):
    return (x - x.min()) / (x.max() - x.min())
"""
CSBDEEP_PRETRAINED = """
from pathlib import Path
def get_model_folder(kind, name):
    return Path(__file__).parent
"""
TENSORFLOW = """
class config:
    @staticmethod
    def set_visible_devices(devices, kind):
        pass
    @staticmethod
    def get_visible_devices(kind):
        return []
"""
INSTANSEG = """
import torch
from scipy import ndimage

class InstanSeg:
    def __init__(self, name, device=None, verbosity=1):
        self.device = device

    def eval_small_image(self, image, return_image_tensor=True, **values):
        labels = ndimage.label(image[0] > image[0].max() / 2)[0]
        return torch.from_numpy(labels)[None, None]
"""
FILES = {
    "cellpose/__init__.py": "",
    "cellpose/models.py": CELLPOSE,
    "stardist/__init__.py": "",
    "stardist/models.py": STARDIST_MODELS,
    "csbdeep/__init__.py": "",
    "csbdeep/utils.py": CSBDEEP_UTILS,
    "csbdeep/models/__init__.py": "",
    "csbdeep/models/pretrained.py": CSBDEEP_PRETRAINED,
    "tensorflow/__init__.py": TENSORFLOW,
    "instanseg/__init__.py": INSTANSEG,
}
VERSIONS = {"cellpose": "4.2.0", "stardist": "0.9.2", "instanseg_torch": "0.1.2"}


def write_stand_ins(folder: Path) -> None:
    """Write the packages, and what tells their versions."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, version in VERSIONS.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
