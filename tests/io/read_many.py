"""Read files in a child process with little memory, so that a crash can be seen.

Run as a program: ``python read_many.py LIST``, with one path a line in LIST. Prints one JSON
line a file: path, seconds, and either what was read or the error.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MEMORY_BYTES = 4 * 2**30


def read_in_child(
    paths: list[Path], folder: Path, seconds: float
) -> list[dict[str, Any]]:
    """Return what a child process made of each file.

    Raises
    ------
    AssertionError
        If the child was killed by a signal or took longer than `seconds`; names the file.
    """
    listed = folder / "paths.txt"
    listed.write_text("\n".join(str(path) for path in paths), encoding="utf-8")
    try:
        child = subprocess.run(
            [sys.executable, __file__, str(listed)],
            capture_output=True, text=True, encoding="utf-8", timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        done = (late.stdout or b"").decode().count("\n")
        raise AssertionError(f"reading hangs at {paths[done]}") from None
    results = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"{paths[len(results)]}: {child.stderr[-2000:]}"
    assert len(results) == len(paths)
    return results


def _read(path: str) -> dict[str, Any]:
    """Read one file and say what came of it."""
    from napari_cellseg.core.errors import CellsegError
    from napari_cellseg.io.reading.images import read_image

    start = time.monotonic()
    result: dict[str, Any] = {"path": path, "error": None}
    try:
        image = read_image(path)
        values = image.plane(next(image.plane_indices()))
        result |= {
            "shape": list(image.shape), "axes": image.axes, "is_rgb": image.is_rgb,
            "dtype": str(image.data.dtype), "n_read": int(values.size),
        }  # fmt: skip
    except CellsegError as error:
        result |= {"error": type(error).__name__, "text": str(error)}
    return result | {"seconds": time.monotonic() - start}


def main() -> None:
    """Read every file of the list with bounded memory."""
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for path in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        sys.stdout.write(json.dumps(_read(path)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
