"""Which device runs the network, and what it is called."""

from __future__ import annotations

import platform

import torch

from napari_cellseg.core.errors import SegmentationError


def choose_device(wanted: str = "auto") -> torch.device:
    """Return the device: CUDA, else Apple's MPS, else the CPU.

    Parameters
    ----------
    wanted : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` (the second GPU) or ``"mps"``.

    Raises
    ------
    SegmentationError
        If the wanted device is not there.
    """
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(
            next(name for name, is_there in present.items() if is_there)
        )
    gpus = {f"cuda:{place}": True for place in range(torch.cuda.device_count())}
    present = gpus | present
    if not present.get(wanted, False):
        there = ", ".join(name for name, is_there in present.items() if is_there)
        raise SegmentationError(
            f"There is no device '{wanted}' here; there is: {there}."
        )
    return torch.device(wanted)


def n_devices(wanted: str = "auto") -> int:
    """Return how many processes can train here: one for each GPU, else one."""
    on_gpu = wanted in ("auto", "cuda") and torch.cuda.is_available()
    return torch.cuda.device_count() if on_gpu else 1


def device_title(device: torch.device) -> str:
    """Return the device in the user's words, such as ``"CPU"`` or a GPU's name."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    return "CPU"
