"""Which devices a server works on: how they are named, shared and told of."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.processors import threads_each
from napari_cellseg.serving.bench.bench import DeviceState

#: Devices that stand for all of their kind.
ALL_OF_THEM = ("auto", "cuda")


def devices_of(text: str) -> tuple[str, ...]:
    """Return the devices of ``"auto"``, ``"cuda:1"``, ``"0,1"`` or ``"cpu,cpu"``.

    Raises
    ------
    OptionsError
        If one is empty, or one of several means all.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or (len(names) > 1 and set(names) & set(ALL_OF_THEM)):
        raise OptionsError(
            f"--device is '{text}'; give auto, cpu, cuda or mps, or several such as 0,1 "
            "(graphics cards by number) or cpu,cpu."
        )
    return tuple(f"cuda:{name}" if name.isdecimal() else name for name in names)


def threads_environment(devices: Sequence[str]) -> dict[str, str]:
    """Return the variables with which processes share the processors of a computer."""
    n_on_cpu = sum(device == "cpu" for device in devices)
    if n_on_cpu < 2 or "OMP_NUM_THREADS" in os.environ:
        return {}
    return {"OMP_NUM_THREADS": str(threads_each(n_on_cpu))}


def titles(states: Sequence[DeviceState]) -> str:
    """Return the devices that are ready in words, such as ``"2 × NVIDIA A10G"``."""
    names = Counter(each.title for each in states if each.state == "ready")
    return ", ".join(
        name if count == 1 else f"{count} × {name}" for name, count in names.items()
    )
