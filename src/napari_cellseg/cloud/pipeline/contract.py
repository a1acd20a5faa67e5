"""What the function, the server and the template agree on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_cellseg.core.errors import CellsegError, OptionsError

MIB = 2**20
#: What the server is asked for: a zip of `PARTS`, of stacks also `STACK_PARTS`.
WHOLE_TYPE = "application/vnd.cellseg.whole+zip"
LABELS, OVERLAY, CELLS, COUNTS = "labels.tif", "overlay.png", "cells.csv", "counts.json"
PARTS = {
    LABELS: "image/tiff",
    OVERLAY: "image/png",
    CELLS: "text/csv; charset=utf-8",
    COUNTS: "application/json",
}
#: There too if the image is a stack with Z: one row a cell.
CELLS_3D = "cells_3d.csv"
STACK_PARTS = {CELLS_3D: "text/csv; charset=utf-8"}
#: Version of the header that says how a plain file is to be read.
VERSION = 1
#: SageMaker's limit of a header.
MAX_ATTRIBUTES = 1024
MAX_NAME = 80
#: SageMaker takes 25 MB in one request; some is left for its headers.
REALTIME_BYTES = 24 * 10**6
ASYNC_BYTES = 10**9
#: Where images lie that an asynchronous endpoint is to read, below its prefix.
COPIES = "in/"
#: How the answers of asynchronous endpoints end; other objects there are none.
ANSWER_SUFFIX = ".out"
#: First bytes of what the server reads.
SIGNATURES = {
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"II+\0": "image/tiff",
    b"MM\0+": "image/tiff",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
}


class RefusedError(CellsegError):
    """It will never work: told at once to who looks after failures."""


class LaterError(CellsegError):
    """It may work later: the queue gives it again."""


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Where things are.

    Attributes
    ----------
    bucket : str
        The one bucket that is acted on.
    input_prefix, output_prefix : str
        End in ``/``; none begins with another or with the next two.
    async_prefix, async_failed_prefix : str
        Below which the asynchronous endpoint puts answers, and why there is none.
    table : str
        DynamoDB table of the runs.
    endpoint : str
        Name of the endpoint.
    async_endpoint : str
        Name of the asynchronous one for large images; "" if there is none.
    dead_letters : str
        Address of the queue for what failed.
    realtime_bytes : int
        Larger files go to the asynchronous endpoint.
    max_receives : int
        How often the queue gives a message before it counts as failed.
    queue : str
        Address of the queue that gives the messages; "" leaves its pace to itself.
    retry_seconds : int
        What may work later comes again after so long, and twice as long each time.
    lease_seconds : int
        So long an image is held by the function that works on it.
    reading : str
        JSON of what the server is told beside the file: ``options``, ``axes``, ``um`` and
        ``z_um``, sizes that count more than what a file says.
    """

    bucket: str
    table: str
    endpoint: str
    dead_letters: str
    async_endpoint: str = ""
    input_prefix: str = "input/"
    output_prefix: str = "output/"
    async_prefix: str = "async/"
    async_failed_prefix: str = "async/"
    realtime_bytes: int = REALTIME_BYTES
    max_receives: int = 5
    queue: str = ""
    retry_seconds: int = 60
    lease_seconds: int = 420
    reading: str = "{}"

    def __post_init__(self) -> None:
        prefixes = {self.input_prefix, self.output_prefix, *self.answer_prefixes}
        for one in prefixes:
            others = prefixes - {one}
            if not one.endswith("/") or any(map(one.startswith, others)):
                raise OptionsError(
                    f"The prefixes {', '.join(sorted(prefixes))} must end in / and lie "
                    "apart; else results would be taken for images."
                )

    @property
    def answer_prefixes(self) -> tuple[str, str]:
        """Where answers of the asynchronous endpoint are looked for."""
        return self.async_prefix, self.async_failed_prefix


#: Variable of the function -> setting.
VARIABLES = {
    "CELLSEG_BUCKET": "bucket",
    "CELLSEG_TABLE": "table",
    "CELLSEG_ENDPOINT": "endpoint",
    "CELLSEG_DEAD_LETTERS": "dead_letters",
    "CELLSEG_ASYNC_ENDPOINT": "async_endpoint",
    "CELLSEG_OUTPUT_PREFIX": "output_prefix",
    "CELLSEG_ASYNC_PREFIX": "async_prefix",
    "CELLSEG_ASYNC_FAILED_PREFIX": "async_failed_prefix",
    "CELLSEG_QUEUE": "queue",
    "CELLSEG_RETRY_SECONDS": "retry_seconds",
    "CELLSEG_MAX_RECEIVES": "max_receives",
    "CELLSEG_LEASE_SECONDS": "lease_seconds",
    "CELLSEG_REALTIME_BYTES": "realtime_bytes",
    "CELLSEG_READING": "reading",
}
NUMBERS = ("retry_seconds", "max_receives", "lease_seconds", "realtime_bytes")


def settings_from(variables: Mapping[str, str] = os.environ) -> PipelineSettings:
    """Return the settings that the function was deployed with.

    Raises
    ------
    OptionsError
        If one is missing or no number.
    """
    values: dict[str, Any] = {
        name: variables[variable]
        for variable, name in VARIABLES.items()
        if variable in variables
    }
    try:
        for name in NUMBERS:
            if name in values:
                values[name] = int(values[name])
        json.loads(values.get("reading", "{}"))
        return PipelineSettings(**values)
    except (TypeError, ValueError) as error:
        raise OptionsError(
            f"The function's variables are not complete ({error}). Deploy the template again."
        ) from error


def file_attributes(name: str, reading: str) -> str:
    """Return the header that says how a plain file is to be read, at most 1024 ASCII.

    Parameters
    ----------
    name : str
        Of the image; cut if it is long, as it is only shown.
    reading : str
        JSON, see `PipelineSettings`.

    Raises
    ------
    OptionsError
        If it does not fit.
    """
    values = {"v": VERSION, "file": name[:MAX_NAME], **json.loads(reading)}
    text = json.dumps(values, separators=(",", ":"))
    if len(text) > MAX_ATTRIBUTES:
        raise OptionsError(
            f"The options take {len(text)} characters; SageMaker passes on {MAX_ATTRIBUTES}."
        )
    return text


def content_type_of(head: bytes) -> str:
    """Return what the first bytes of a file are, or "" if the server does not read it."""
    return next(
        (kind for start, kind in SIGNATURES.items() if head.startswith(start)), ""
    )
