"""What a project costs: a stroke, bringing labels up, opening 10,000 images."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_cellseg.core.editing.edits import (
    apply_edit,
    edit_on_labels,
    updated_sources,
)
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project, open_project

SIZE_PX = 8192
STROKE_PX = 40
N_STROKES = 300
N_IMAGES = 10_000


def stroke(opened: ProjectLabels, rng: np.random.Generator) -> float:
    """Make a stroke at a random place; return the milliseconds that the journal took."""
    y, x = (int(low) for low in rng.integers(0, SIZE_PX - STROKE_PX, 2))
    after = np.full((STROKE_PX, STROKE_PX), int(rng.integers(1, 500)), np.int32)
    edit = edit_on_labels(opened.labels, after, (y, x), "brush stroke", opened.sources)
    started = time.perf_counter()
    opened.journal.push(edit)
    milliseconds = 1e3 * (time.perf_counter() - started)
    apply_edit(opened.labels, edit)
    opened.sources = updated_sources(opened.sources, edit)
    return milliseconds


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        image = Path(name) / "image.tif"
        image.write_bytes(b"pixels")
        project = create_project(Path(name) / "work")
        project.add_images([image])
        empty = np.zeros((SIZE_PX, SIZE_PX), np.int32)
        opened = project.start_labels(1, NewLabels(empty, "YX"))
        times = [stroke(opened, rng) for _ in range(N_STROKES)]
        row = project._connection.execute("SELECT avg(length(pixels)) FROM edits")
        print(
            f"stroke of {STROKE_PX} x {STROKE_PX} at {SIZE_PX} x {SIZE_PX}, fsync included:"
        )
        print(f"  median {statistics.median(times):.2f} ms, worst {max(times):.2f} ms")
        print(f"  {row.fetchone()[0]:.0f} bytes on disk")
        started = time.perf_counter()
        opened.write()
        print(f"labels on disk brought up: {time.perf_counter() - started:.2f} s")
        rows = [(f"../{n}.tif", f"{n}.tif", str(n), 1, "") for n in range(N_IMAGES)]
        project._connection.executemany(
            "INSERT INTO images (path, name, group_name, n_bytes, fingerprint) "
            "VALUES (?, ?, ?, ?, ?)",
            rows,
        )
        project.close()
        started = time.perf_counter()
        with open_project(project.folder) as again:
            n_images = len(again.images())
        print(f"{n_images} images opened: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
