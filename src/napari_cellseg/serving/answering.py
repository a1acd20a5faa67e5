"""What goes back: labels, counts, maps, or why not, in the form that was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_cellseg.cloud.parts import LOOK, MAPS, Seen, encode_maps
from napari_cellseg.cloud.pipeline.contract import WHOLE_TYPE
from napari_cellseg.cloud.wire import JSON_TYPE, encode_result, labels_tiff
from napari_cellseg.core.errors import CellsegError, LimitError, SegmentationError
from napari_cellseg.core.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.serving.asking import Asked
from napari_cellseg.serving.overlay import overlay_png
from napari_cellseg.serving.whole import whole_result
from napari_cellseg.serving.work import BusyError, GoneError, LateError, NotReadyError

#: The status that an error is told with; everything else is the client's fault.
STATUSES: tuple[tuple[type[CellsegError], int], ...] = (
    (BusyError, 429),
    (NotReadyError, 503),
    (LateError, 504),
    (LimitError, 413),
    (SegmentationError, 500),
    (GoneError, 499),
)
RETRY_SECONDS = "5"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it goes through a door.

    Attributes
    ----------
    status : int
        200, or what went wrong.
    body : bytes
        The answer.
    content_type : str
        What it is.
    headers : mapping
        Further ones.
    """

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def refusal(error: CellsegError) -> Reply:
    """Return an error as an answer."""
    status = next((code for kind, code in STATUSES if isinstance(error, kind)), 400)
    headers = {"Retry-After": RETRY_SECONDS} if status in (429, 503) else {}
    return refused(status, str(error), headers)


def refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a refusal in one sentence."""
    body = json.dumps({"error": text}).encode()
    return Reply(status, body, JSON_TYPE, headers or {})


def json_reply(values: Mapping[str, Any]) -> Reply:
    """Return values as JSON."""
    return Reply(200, json.dumps(values).encode(), JSON_TYPE)


def reply_to(asked: Asked, result: Any, accept: str, segmenter: Segmenter) -> Reply:
    """Return a result in the form that the client asks for.

    Parameters
    ----------
    asked : Asked
        What was asked for.
    result : object
        What the job returned.
    accept : str
        The header.
    segmenter : Segmenter
        Who worked on it.
    """
    if asked.kind == MAPS:
        spec = segmenter.spec
        seen = Seen(spec.name, spec.weights_sha256, segmenter.device)
        message = encode_maps(result, seen)
        return Reply(200, message.body, message.content_type)
    if asked.kind == LOOK:
        zoom, diameter_px = result
        digest = segmenter.spec.weights_sha256
        return json_reply(
            {"zoom": zoom, "diameter_px": diameter_px, "model_digest": digest}
        )
    if asked.image is None:
        raise TypeError("An image is answered with labels; there was none.")
    return _labels_reply(asked.image, result, accept, asked.options)


def _labels_reply(
    image: CellImage, result: SegmentationResult, accept: str, asked: SegmentOptions
) -> Reply:
    """Return labels as a picture, a TIFF, counts, or all of it."""
    if "image/png" in accept:
        counts = {"X-Cells": str(len(result.confidence))}
        return Reply(200, overlay_png(image, result.labels), "image/png", counts)
    if "image/tiff" in accept:
        return Reply(200, labels_tiff(result.labels), "image/tiff")
    if WHOLE_TYPE not in accept and JSON_TYPE not in accept:
        # A client of ours measures by itself, in its own units.
        message = encode_result(result, {})
        return Reply(200, message.body, message.content_type)
    confidence = {i + 1: float(value) for i, value in enumerate(result.confidence)}
    table = measure_cells(image, result.labels, confidence=confidence)
    if WHOLE_TYPE in accept:
        return Reply(200, whole_result(image, result, table, asked), WHOLE_TYPE)
    return json_reply(
        {
            "n_cells": len(result.confidence),
            "model": result.model_name,
            "digest": result.model_digest,
            "seconds": result.seconds,
            "summary": table.summary,
            "cells": json.loads(table.cells.to_json(orient="records")),
        }
    )
