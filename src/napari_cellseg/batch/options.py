"""How the files of a run are read and written."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.batch.labels_reading import LEVEL, PIXEL_SIZE, REGION, SCENE, Z_STEP
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.options import Range, option
from napari_cellseg.core.segmentation.region_text import parse_region


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How files are read and what happens to results that are there already."""

    model: str | None = option(
        None, Range(help="Name of a model, or a model folder; see cellseg doctor.")
    )
    where: str = option(
        "local",
        Range(help="Where the network runs: local, or http://HOST:PORT of a server."),
    )
    device: str = option(
        "auto",
        Range(
            choices=("auto", "cpu", "cuda", "mps", "onnx", "openvino", "openvino-int8"),
            help="What runs the network here; the last three want "
            "napari-cellseg[onnx] or [openvino].",
        ),
    )
    axes: str | None = option(
        None, Range(help="Axes of the files where they do not say, such as ZYX or CYX.")
    )
    scene: int | None = option(None, SCENE)
    all_scenes: bool = option(
        False,
        Range(
            help="Every image of files that hold several; each has its number in the "
            "names of its results."
        ),
    )
    level: int = option(0, LEVEL)
    region: str | None = option(None, REGION)
    channel_name: str | None = option(None, Range(help="Channel that shows the cells."))
    nuclei_channel_name: str | None = option(
        None, Range(help="Channel that shows the nuclei.")
    )
    pixel_size_um: float | None = option(None, PIXEL_SIZE)
    pixel_size_if_unknown_um: float | None = option(
        None,
        Range(
            PIXEL_SIZE.minimum,
            PIXEL_SIZE.maximum,
            help="Edge of a pixel of files that do not say it.",
            unit="µm",
        ),
    )
    z_step_um: float | None = option(None, Z_STEP)
    track: bool = option(
        False,
        Range(help="Time series: follow each cell from frame to frame; one id a cell."),
    )
    save_mask: bool = option(
        False,
        Range(
            help="Also write NAME_mask.tif, 255 where a cell is, as a U-Net says it."
        ),
    )
    save_probability: bool = option(
        False,
        Range(
            help="Also write NAME_probability.tif: 0 to 255, how likely a pixel is of a cell."
        ),
    )
    jobs: int = option(
        1,
        Range(
            1,
            256,
            1,
            help="Images worked on at the same time, each in a process of its own that "
            "needs its own memory. Many cores gain most.",
        ),
    )
    skip_existing: bool = option(
        False,
        Range(help="Go on with a run that was stopped: finished images are left."),
    )
    overwrite: bool = option(False, Range(help="Replace results that are there."))

    @property
    def needs_maps(self) -> bool:
        """True if what the network sees is asked for beside the labels."""
        return self.save_mask or self.save_probability

    def __post_init__(self) -> None:
        if self.region is not None:
            parse_region(self.region)
        if self.skip_existing and self.overwrite:
            raise OptionsError(
                "Results that are there are either left or replaced; "
                "give --skip-existing or --overwrite, not both."
            )
        if self.all_scenes and self.scene is not None:
            raise OptionsError(
                "Either one image of each file is wanted or every one; "
                "give --scene or --all-scenes, not both."
            )
