"""Flags of the ``cellseg cloud`` commands that belong together."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.cloud_options import INSTANCE, text_option
from napari_cellseg.core.options import Range, check_options, option

#: What the server reads without being told more, and what it answers with.
IMAGE_TYPES = ("image/tiff", "image/png", "image/jpeg")
RESULT_TYPES = {
    "all": "application/vnd.cellseg.whole+zip",
    "labels": "image/tiff",
    "table": "application/json",
    "mask": "image/tiff;show=mask",
    "probability": "image/tiff;show=probability",
}
#: Of a name or path.
ANY = r".*"


@dataclass(frozen=True, slots=True)
class TrainFlags:
    """What is trained, and whether to stay with it."""

    name: str = text_option("my-model", "Name of the new model.")
    model: str | None = option(
        None, Range(help="Model to start from; name or folder.", pattern=ANY)
    )
    channel: int | None = option(
        None, Range(0, 255, help="Channel that shows the cells, from 0.")
    )
    wait: bool = option(True, Range(help="Follow it, and fetch the model at its end."))
    dry_run: bool = option(False, Range(help="Print every request; send none."))

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class BatchFlags:
    """What many images become, and on what."""

    model: str | None = option(None, Range(help="Name or folder.", pattern=ANY))
    name: str = text_option("cells-batch", "Of the job.")
    image_type: str = option(
        IMAGE_TYPES[0],
        Range(choices=IMAGE_TYPES, help="What the images of the folder are."),
    )
    result: str = option(
        "all",
        Range(
            choices=tuple(RESULT_TYPES),
            help="all: a zip with labels, outlines, a table and counts; labels: TIFF; "
            "table: JSON with counts and one row a cell; mask, probability: TIFF of what "
            "the network sees of each pixel.",
        ),
    )
    instance_type: str = option(
        "ml.g5.xlarge", Range(help="Computer.", pattern=INSTANCE)
    )
    instances: int = option(1, Range(1, 100, help="How many."))
    dry_run: bool = option(False, Range(help="Print every request; send none."))

    def __post_init__(self) -> None:
        check_options(self)
