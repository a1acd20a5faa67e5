"""What goes back: labels, counts or maps, in the form that was asked for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from napari_cellseg.cloud.pipeline.contract import WHOLE_TYPE
from napari_cellseg.cloud.wire.envelope import JSON_TYPE, encode_result
from napari_cellseg.cloud.wire.parts import LOOK, MAPS, Seen, encode_maps
from napari_cellseg.cloud.wire.pixels import labels_tiff, pixels_tiff
from napari_cellseg.cloud.wire.result_maps import SHAPE_KEY, asks_for_maps, with_maps
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmentation.semantic import probability_map, semantic_mask
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.serving.requests.asking import Asked
from napari_cellseg.serving.requests.overlay import overlay_png
from napari_cellseg.serving.requests.reply import Reply, json_reply
from napari_cellseg.serving.requests.whole import whole_result

#: What ``Accept: image/tiff;show=NAME`` is answered with instead of the labels.
SHOWN = {"mask": semantic_mask, "probability": probability_map}


def measure_once() -> None:
    """Measure a cell, so that whoever asks first does not wait for what is compiled.

    In a new container that took 6 s of a free processor, and over a minute of a busy one:
    more than SageMaker gives an answer.
    """
    labels = np.zeros((16, 16), np.int32)
    labels[4:12, 4:12] = 1
    measure_cells(CellImage(labels[None].astype(np.uint8)), labels, confidence={1: 1.0})


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


def _tiff_of(result: SegmentationResult, accept: str) -> bytes:
    """Return the labels as a TIFF, or the mask or the probability."""
    for name, made in SHOWN.items():
        if f"show={name}" in accept:
            return pixels_tiff(made(result))
    return labels_tiff(result.labels)


def _for_ours(result: SegmentationResult, accept: str) -> Reply:
    """Return labels, and the maps of a plane where they are asked for."""
    if not (asks_for_maps(accept) and len(result.maps) == 1):
        message = encode_result(result, {}, accept)
    else:
        (maps,) = result.maps
        told = {SHAPE_KEY: list(maps.maps.shape)}
        message = with_maps(encode_result(result, told, accept), maps, accept)
    return Reply(200, message.body, message.content_type)


def _labels_reply(
    image: CellImage, result: SegmentationResult, accept: str, asked: SegmentOptions
) -> Reply:
    """Return labels as a picture, a TIFF, counts, or all of it."""
    if "image/png" in accept:
        counts = {"X-Cells": str(len(result.confidence))}
        return Reply(200, overlay_png(image, result.labels), "image/png", counts)
    if "image/tiff" in accept:
        return Reply(200, _tiff_of(result, accept), "image/tiff")
    if WHOLE_TYPE not in accept and JSON_TYPE not in accept:
        # A client of ours measures by itself, in its own units.
        return _for_ours(result, accept)
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
