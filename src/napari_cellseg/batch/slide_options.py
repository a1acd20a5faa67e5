"""How a slide is read and where its tiles are done."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.batch.labels_reading import LEVEL, PIXEL_SIZE, SCENE
from napari_cellseg.core.options import Range, option


@dataclass(frozen=True, slots=True)
class SlideOptions:
    """How a slide is read and where its tiles are done. See each field's `Range`."""

    model: str | None = option(
        None, Range(help="Name of a model, or a model folder; see cellseg doctor.")
    )
    device: str = option(
        "auto",
        Range(
            choices=("auto", "cpu", "cuda", "mps", "onnx", "openvino", "openvino-int8"),
            help="What runs the network.",
        ),
    )
    scene: int | None = option(None, SCENE)
    level: int = option(0, LEVEL)
    pixel_size_um: float | None = option(None, PIXEL_SIZE)
    workers: int = option(
        1,
        Range(
            1,
            256,
            1,
            help="Processes on this computer that work on tiles; more than one wants "
            "napari-cellseg[slides].",
        ),
    )
    scheduler: str | None = option(
        None,
        Range(
            help="Address of a Dask scheduler, such as tcp://head:8786, whose workers do "
            "the tiles; they must see the slide and the results under the same paths."
        ),
    )
    annotations: str | None = option(
        None,
        Range(
            help="GeoJSON of QuPath: only cells inside its annotations, and a table of how "
            "many each holds."
        ),
    )
    save_geojson: bool = option(
        False,
        Range(
            help="Also write NAME.geojson.gz: outlines and measurements of all cells, for "
            "QuPath."
        ),
    )
    overwrite: bool = option(False, Range(help="Replace results that are there."))
