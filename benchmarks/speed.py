"""Speed and memory on this computer: ``python benchmarks/speed.py [--quick]``.

Prints one table. Everything but the window's time runs on two threads; the first run of
each part is not counted, since it loads and compiles. ``--quick`` shows in a minute, on
small images, that everything works; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

N_THREADS = 2
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = str(N_THREADS)

import numpy as np  # noqa: E402 - the threads are set first
import tifffile  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from napari_cellseg.core.errors import CellsegError  # noqa: E402

HERE = Path(__file__).parent
TARGET_SECONDS = 0.6
TARGET_GB = 4.0


@dataclass(frozen=True)
class Size:
    """How large and how often: the real run, or the quick one."""

    image_px: int
    large_px: int
    repeats: int


REAL = Size(1024, 10_000, 7)
QUICK = Size(256, 600, 1)


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    value: str
    target: str = ""


def main() -> int:
    """Run every benchmark and print the table; a part that fails is a line too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small, to see it works")
    parser.add_argument("--model", help="name or folder of a model")
    arguments = parser.parse_args()
    size = QUICK if arguments.quick else REAL
    parts: list[Callable[[Size, str | None], list[Line]]] = [
        stage_lines,
        memory_lines,
        window_lines,
    ]
    lines: list[Line] = []
    for part in parts:
        try:
            lines += part(size, arguments.model)
        except (CellsegError, subprocess.CalledProcessError) as error:
            lines.append(Line(part.__name__.removesuffix("_lines"), f"failed: {error}"))
    print_table(lines, size)
    return int(any(line.value.startswith("failed") for line in lines))


def print_table(lines: list[Line], size: Size) -> None:
    """Print the lines as a table."""
    threads = f"{N_THREADS} threads of {os.cpu_count()} cores"
    table = Table(title=f"napari-cellseg, {threads}, median of {size.repeats}")
    for heading in ("what", "value", "target"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(line.what, line.value, line.target)
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def scene_pixels(edge_px: int) -> np.ndarray[Any, Any]:
    """Return (y, x) pixels of synthetic nuclei, repeated up to the edge length."""
    from napari_cellseg.core.synthetic import CellOptions, SceneOptions, make_scene

    part = min(edge_px, 1024)
    cells = CellOptions(kind="nuclei", n_cells=part * part // 1600)
    scene = make_scene(SceneOptions(shape_yx=(part, part), cells=cells), seed=1)
    pixels = np.asarray(scene.image.data)[0]
    repeats = -(-edge_px // part)
    return np.tile(pixels, (repeats, repeats))[:edge_px, :edge_px]


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median wall time of an action, after one run that is not counted."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


@contextmanager
def image_file(edge_px: int) -> Iterator[Path]:
    """Write a square image into a temporary folder and give its path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"nuclei_{edge_px}.tif"
        tifffile.imwrite(
            path, scene_pixels(edge_px), tile=(256, 256), compression="zlib"
        )
        yield path


def stage_lines(size: Size, model: str | None) -> list[Line]:
    """Time each stage alone, and the way from file to numbers as a whole."""
    import torch

    torch.set_num_threads(N_THREADS)
    with image_file(size.image_px) as path:
        return [*single_stages(path, size, model), *whole_way(path, size, model)]


def single_stages(path: Path, size: Size, model: str | None) -> list[Line]:
    """Time read, normalise, network, decode and measure, each alone."""
    from napari_cellseg.core.measuring.measure import measure_cells
    from napari_cellseg.core.model_spec import settled_options
    from napari_cellseg.core.options import SegmentOptions
    from napari_cellseg.core.segmentation.decode import labels_from_maps
    from napari_cellseg.core.segmentation.intensity import normalize
    from napari_cellseg.core.types import PlaneMaps
    from napari_cellseg.io.models.folder import find_model
    from napari_cellseg.io.reading.images import read_image
    from napari_cellseg.nn.device import choose_device
    from napari_cellseg.nn.inference.predict import Predictor
    from napari_cellseg.nn.weights import load_model

    network, spec = load_model(find_model(model))
    predictor = Predictor(network, choose_device())
    options = settled_options(SegmentOptions(), spec)
    image = read_image(path)
    plane = image.plane()
    shown = normalize(plane, spec.low_percentile, spec.high_percentile)
    edges = (size.image_px, size.image_px)

    def run_network() -> PlaneMaps:
        *_, (_, _, maps) = predictor.predict_tiles(
            lambda box: shown[(slice(None), *box)], edges
        )
        return PlaneMaps(maps, edges)

    maps = run_network()
    labels, _ = labels_from_maps(maps, options)
    stages: dict[str, Callable[[], object]] = {
        "read": lambda: read_image(path),
        "normalise": lambda: normalize(
            plane, spec.low_percentile, spec.high_percentile
        ),
        "network": run_network,
        "decode": lambda: labels_from_maps(maps, options),
        f"measure ({labels.max()} cells)": lambda: measure_cells(image, labels),
    }
    pixels = f"{size.image_px} x {size.image_px}"
    return [
        Line(f"{pixels}: {name}", f"{median_seconds(action, size.repeats):.3f} s")
        for name, action in stages.items()
    ]


def whole_way(path: Path, size: Size, model: str | None) -> list[Line]:
    """Time file to numbers, for each way of finding the size of the cells."""
    from napari_cellseg.core.jobs import run
    from napari_cellseg.core.measuring.measure import measure_cells
    from napari_cellseg.core.options import SegmentOptions
    from napari_cellseg.engines import open_segmenter
    from napari_cellseg.io.reading.images import read_image

    segmenter = open_segmenter("local", model)

    def file_to_numbers(options: SegmentOptions) -> None:
        image = read_image(path)
        measure_cells(image, run(segmenter.segment(image, options)).labels)

    ways = {
        "diameter found": SegmentOptions(),
        "diameter given": SegmentOptions(diameter_px=segmenter.spec.diameter_px),
        "fast": SegmentOptions(preset="fast"),
    }
    pixels = f"{size.image_px} x {size.image_px}"
    lines = []
    for name, options in ways.items():
        seconds = median_seconds(
            lambda options=options: file_to_numbers(options), size.repeats
        )
        line = Line(
            f"{pixels}: file to numbers, {name}",
            f"{seconds:.3f} s",
            f"{TARGET_SECONDS} s",
        )
        lines.append(line)
    segmenter.close()
    return lines


def memory_lines(size: Size, model: str | None) -> list[Line]:
    """Let the command line segment a large image and read its peak memory."""
    with image_file(size.large_px) as path:
        command = [sys.executable, "-m", "napari_cellseg.cli", "segment", str(path)]
        command += ["--out", str(path.parent / "out")]
        command += ["--model", model] if model else []
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if child.returncode != 0:
            raise subprocess.CalledProcessError(child.returncode, command)
    unit = (
        1 if sys.platform == "darwin" else 1024
    )  # ru_maxrss: bytes there, KiB elsewhere
    peak_gb = usage.ru_maxrss * unit / 1e9
    what = f"{size.large_px} x {size.large_px}, cellseg segment"
    return [
        Line(f"{what}: peak memory", f"{peak_gb:.2f} GB", f"{TARGET_GB} GB"),
        Line(f"{what}: time", f"{seconds:.1f} s"),
    ]


def window_lines(size: Size, model: str | None) -> list[Line]:
    """Let a fresh process show the dock and report the time of each step."""
    del model
    from napari_cellseg.cli.display import has_display, virtual_display

    with tempfile.TemporaryDirectory() as folder, screen(has_display, virtual_display):
        environment = {
            **os.environ,
            "NAPARI_CONFIG": str(Path(folder) / "settings.yaml"),
        }
        runs = [show_dock(environment) for _ in range(size.repeats + 1)][1:]
    names = runs[0]
    return [
        Line(f"window: {name}", f"{statistics.median(run[name] for run in runs):.2f} s")
        for name in names
    ]


@contextmanager
def screen(has_display: Callable[[], bool], virtual_display: Any) -> Iterator[None]:
    """Use the display that is there, else one in memory."""
    if has_display():
        yield
        return
    with virtual_display():
        yield


def show_dock(environment: dict[str, str]) -> dict[str, float]:
    """Return the seconds of each step that `show_dock.py` prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / "show_dock.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.rsplit(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    return {name: float(seconds) for name, seconds in pairs}


if __name__ == "__main__":
    sys.exit(main())
