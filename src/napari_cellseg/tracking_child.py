"""Linking in a process of its own: laptrack cannot be stopped, a process can.

``python -m napari_cellseg.tracking_child FOLDER`` links what FOLDER holds. It ends when its
stdin does, so that it never outlives the window.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.errors import TrackingError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.core.tracking.tracks import Detections
from napari_cellseg.tracking import link_cells

REQUEST, OPTIONS, LINKS, REFUSED = "cells.npz", "options.json", "links.npy", "why.txt"
#: A cancel is noticed within this time.
POLL_SECONDS = 0.1
WAIT_AFTER_KILL_SECONDS = 5.0


def link_in_child(
    detections: Detections,
    options: TrackOptions,
    known: NDArray[np.int64],
    z_to_y: float,
) -> Job[NDArray[np.int64]]:
    """Link in a process of its own; closing the job ends it at once.

    Parameters and errors are those of `tracking.link_cells`.

    Raises
    ------
    TrackingError
        Also if the process ends by itself, as for want of memory.
    """
    n_frames = len(np.unique(detections.frames))
    words = f"linking {len(detections.cells):,} cells on {n_frames:,} frames"
    yield Progress(0, 0, words)
    with tempfile.TemporaryDirectory(
        prefix="cellseg-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        np.savez(
            folder / REQUEST,
            frames=detections.frames,
            cells=detections.cells,
            places=detections.places,
            sizes=detections.sizes,
            known=known,
        )
        request = {"options": asdict(options), "z_to_y": z_to_y}
        (folder / OPTIONS).write_text(json.dumps(request), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "napari_cellseg.tracking_child", name],
            stdin=subprocess.PIPE,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        try:
            started = time.monotonic()
            while process.poll() is None:
                seconds = time.monotonic() - started
                yield Progress(
                    0, 0, f"{words}, {seconds:.0f} s; Cancel stops it at once"
                )
                time.sleep(POLL_SECONDS)
        finally:
            _end(process)
        return _answer(folder, process.returncode)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process; one that has ended is left."""
    process.kill()
    process.wait(WAIT_AFTER_KILL_SECONDS)
    if process.stdin is not None:
        process.stdin.close()


def _answer(folder: Path, code: int) -> NDArray[np.int64]:
    """Return the links that the process has found, or raise what it says."""
    if (folder / LINKS).is_file():
        links: NDArray[np.int64] = np.load(folder / LINKS)
        return links
    if (folder / REFUSED).is_file():
        raise TrackingError((folder / REFUSED).read_text(encoding="utf-8"))
    raise TrackingError(
        f"The linking process ended by itself (code {code}), perhaps for want of memory. "
        "Nothing was changed; set a smaller step, or link fewer frames."
    )


def main(folder: Path) -> None:
    """Link what a folder holds, and leave the links there."""
    threading.Thread(target=_end_with_window, daemon=True).start()
    request = json.loads((folder / OPTIONS).read_text(encoding="utf-8"))
    with np.load(folder / REQUEST) as arrays:
        names = ("frames", "cells", "places", "sizes")
        detections = Detections(*(arrays[name] for name in names))
        known = arrays["known"]
    try:
        links = link_cells(
            detections,
            TrackOptions(**request["options"]),
            known=known,
            z_to_y=request["z_to_y"],
        )
    except TrackingError as error:
        (folder / REFUSED).write_text(str(error), encoding="utf-8")
        return
    with (folder / "part.npy").open("wb") as file:
        np.save(file, links)
    (folder / "part.npy").replace(folder / LINKS)


def _end_with_window() -> None:
    """Wait until nobody holds the other end of stdin; then end at once."""
    # Not by `sys.stdin`: a read that still waits there is a fatal error at the exit.
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
