"""What this computer has and lacks, each with a remedy.

Imports torch and asks Qt in a process of its own, so that a broken one is a finding and
not a crash.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from napari_cellseg import __version__
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.finding import Finding
from napari_cellseg.io.models.folder import list_models
from napari_cellseg.io.reading.images import read_image

#: Below this much free space on the disk a run of many images may not end well.
MIN_FREE_GB = 2.0
#: Below this much free memory an image of 10,000 x 10,000 pixels may not fit.
MIN_MEMORY_GB = 4.0
#: Pixel sizes outside this range are more often a wrong unit than a microscope.
PLAUSIBLE_PIXEL_UM = (0.01, 20.0)
GB = 1e9
#: Seconds that Qt may take to answer.
QT_PATIENCE = 120
ASK_QT = (
    "import importlib.metadata as m, qtpy; from qtpy import QtWidgets; "
    "print(f'{qtpy.API_NAME} {qtpy.QT_VERSION}, napari ' + m.version('napari'))"
)


def examine(files: Sequence[Path], out: Path) -> Iterator[Finding]:
    """Yield what is found, one after another, since some take seconds.

    Parameters
    ----------
    files : sequence of Path
        Images to open.
    out : Path
        Folder that results would go to; it need not exist.
    """
    yield Finding(
        "version",
        "ok",
        f"napari-cellseg {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}",
    )
    yield examine_torch()
    yield from examine_models()
    yield examine_qt()
    yield examine_memory()
    yield examine_disk(out)
    for file in files:
        yield examine_image(file)


def examine_torch() -> Finding:
    """Return whether torch loads, and what it would run on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding(
            "torch",
            "problem",
            f"does not load ({error})",
            "Install it anew: pip install --force-reinstall torch",
        )
    from napari_cellseg.nn.device import choose_device, device_title

    device = choose_device()
    if device.type != "cpu":
        return Finding("torch", "ok", f"{torch.__version__}, {device_title(device)}")
    seen = f"{torch.__version__}, CPU with {torch.get_num_threads()} threads, no GPU"
    if shutil.which("nvidia-smi") is None:
        return Finding("torch", "ok", seen)
    return Finding(
        "torch",
        "warning",
        f"{seen}, though an NVIDIA driver is there",
        "Install torch for your CUDA version; its 'Get started' page names the command.",
    )


def examine_models() -> Iterator[Finding]:
    """Yield each model found, with its digest checked against its weights."""
    models = list_models()
    if not models:
        yield Finding(
            "model",
            "problem",
            "none found",
            "Install napari-cellseg anew: pip install --force-reinstall --no-deps "
            "napari-cellseg",
        )
    for folder, spec in models:
        yield _examine_weights(spec.name, folder)


def _examine_weights(name: str, folder: Path) -> Finding:
    """Return whether the weights are those that the description names."""
    from napari_cellseg.nn.weights import load_model

    subject = f"model {name}"
    try:
        _, spec = load_model(folder)
    except CellsegError as error:
        return Finding(
            subject, "problem", str(error), f"Replace the folder '{folder}'."
        )
    return Finding(
        subject, "ok", f"sha256 {spec.weights_sha256[:16]} as described, {folder}"
    )


def examine_qt() -> Finding:
    """Return whether the window could be opened; the command line works without."""
    remedy = "For the window: pip install 'napari-cellseg[napari]' 'napari[pyqt6]'"
    try:
        asked = subprocess.run(
            [sys.executable, "-c", ASK_QT],
            capture_output=True,
            text=True,
            timeout=QT_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding("Qt", "warning", "does not answer", remedy)
    if asked.returncode == 0:
        return Finding("Qt", "ok", asked.stdout.strip())
    reason = (asked.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    if ".so" in reason:
        remedy = "Install the system libraries: sudo python tools/system_libraries.py"
    return Finding("Qt", "warning", reason, remedy)


def examine_memory() -> Finding:
    """Return how much memory is free."""
    free = psutil.virtual_memory().available / GB
    seen = f"{free:.1f} GB free"
    if free >= MIN_MEMORY_GB:
        return Finding("memory", "ok", seen)
    return Finding(
        "memory",
        "warning",
        seen,
        "Close other programs before segmenting large images.",
    )


def examine_disk(out: Path) -> Finding:
    """Return how much space is left where results would go, and if it can be written."""
    folder = next(
        path for path in (out.absolute(), *out.absolute().parents) if path.exists()
    )
    subject = f"disk of '{folder}'"
    free = shutil.disk_usage(folder).free / GB
    if not _is_writable(folder):
        return Finding(
            subject,
            "problem",
            "cannot be written to",
            "Choose another folder with --out.",
        )
    if free < MIN_FREE_GB:
        return Finding(
            subject,
            "warning",
            f"{free:.1f} GB free",
            "Make room, or choose another disk.",
        )
    return Finding(subject, "ok", f"{free:.0f} GB free")


def _is_writable(folder: Path) -> bool:
    """Return True if a file can be made there; rights alone do not tell on all disks."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def examine_image(file: Path) -> Finding:
    """Return whether a file opens, and whether its pixel size is known and plausible."""
    subject = f"image '{file.name}'"
    try:
        image = read_image(file)
    except CellsegError as error:
        # The sentence of a reader ends with what to do.
        return Finding(subject, "problem", str(error))
    seen = f"{image.axes} {' x '.join(map(str, image.shape))} {image.data.dtype}"
    size = image.pixel_size
    if size is None:
        return Finding(
            subject,
            "warning",
            f"{seen}, pixel size unknown",
            "Areas come in pixels only; give --pixel-size for micrometres.",
        )
    sides = dict.fromkeys(f"{side:.4g}" for side in (size.x_um, size.y_um))
    seen = f"{seen}, {' x '.join(sides)} µm/px"
    low, high = PLAUSIBLE_PIXEL_UM
    if not low <= min(size.x_um, size.y_um) <= max(size.x_um, size.y_um) <= high:
        return Finding(
            subject,
            "warning",
            f"{seen}, unlikely",
            "Check the unit in the acquisition.",
        )
    return Finding(subject, "ok", seen)
