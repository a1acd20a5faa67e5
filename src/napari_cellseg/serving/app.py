"""The server's doors: SageMaker's container contract, its runtime API, and our own."""

from __future__ import annotations

import asyncio
import hmac
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from napari_cellseg import __version__
from napari_cellseg.cloud.wire import (
    ATTRIBUTES_HEADER,
    NPY_TYPE,
    RESULT_TYPE,
    Message,
    decode_request,
    encode_result,
    labels_tiff,
)
from napari_cellseg.core.errors import CellsegError, LimitError, RemoteError
from napari_cellseg.core.measure import measure_cells
from napari_cellseg.core.options import SegmentOptions, fields_with_ranges
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.io.images import read_image
from napari_cellseg.io.limits import ReadLimits
from napari_cellseg.serving.overlay import overlay_png
from napari_cellseg.serving.work import BusyError, Worker

MIB = 2**20
SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif"}
JSON_TYPE = "application/json"
STOP_SECONDS = 12.0
#: Keys under which clients of other systems put one image as nested lists.
JSON_KEYS = ("instances", "inputs", "input_1")


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server allows.

    Attributes
    ----------
    token : str
        What clients must send as a bearer token; "" lets everybody in.
    max_body_bytes : int
        Largest request as it arrives.
    max_image_bytes : int
        Largest image, expanded.
    """

    token: str = ""
    max_body_bytes: int = 256 * MIB
    max_image_bytes: int = 2048 * MIB


def create_app(worker: Worker, options: ServerOptions) -> Starlette:
    """Return the application; it starts and stops the worker."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            await run_in_threadpool(worker.stop, STOP_SECONDS)

    doors = _Doors(worker, options)
    routes = [
        Route("/ping", doors.ping, methods=["GET", "POST"]),
        Route("/v1/info", doors.guarded(doors.info)),
        Route("/invocations", doors.guarded(doors.invoke), methods=["POST"]),
        Route(
            "/endpoints/{name}/invocations",
            doors.guarded(doors.invoke_runtime),
            methods=["POST"],
        ),
        Route("/execution-parameters", doors.batch_limits),
        Route("/", doors.page),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


Handler = Callable[[Request], Awaitable[Response]]


class _Doors:
    """The handlers."""

    def __init__(self, worker: Worker, options: ServerOptions) -> None:
        self._worker = worker
        self._options = options

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler that lets in only who has the token."""

        async def checked(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            wanted = f"Bearer {self._options.token}"
            is_right = hmac.compare_digest(given.encode(), wanted.encode())
            if self._options.token and not is_right:
                return _error(401, "the token is missing or wrong")
            return await handler(request)

        return checked

    async def ping(self, _request: Request) -> Response:
        """Answer 200 once the model is loaded, 503 before and when it cannot be."""
        if self._worker.is_ready:
            return PlainTextResponse("")
        return PlainTextResponse(self._worker.problem or "loading the model", 503)

    async def info(self, _request: Request) -> Response:
        """Say what runs here, which options there are, and what is allowed."""
        segmenter = self._worker.segmenter
        if segmenter is None:
            return _error(503, self._worker.problem or "the model is being loaded")
        return JSONResponse(
            {
                "version": __version__,
                "model": json.loads(segmenter.spec.to_json()),
                "device": segmenter.device,
                "options": fields_with_ranges(SegmentOptions),
                "max_body_bytes": self._options.max_body_bytes,
                "max_image_bytes": self._options.max_image_bytes,
                "n_waiting": self._worker.n_waiting,
            }
        )

    async def batch_limits(self, _request: Request) -> Response:
        """Say how batch transform is to call us."""
        return JSONResponse(
            {
                "MaxConcurrentTransforms": 1,
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": min(100, self._options.max_body_bytes // MIB),
            }
        )

    async def page(self, _request: Request) -> Response:
        """Give the page on which an image can be dropped."""
        text = (files("napari_cellseg.serving") / "page.html").read_text(
            encoding="utf-8"
        )
        return HTMLResponse(text)

    async def invoke(self, request: Request) -> Response:
        """Segment one image."""
        try:
            body = await self._body(request)
            message = Message(
                body,
                request.headers.get("content-type", "").split(";")[0].strip(),
                request.headers.get(ATTRIBUTES_HEADER, ""),
            )
            image, options = await run_in_threadpool(self._understood, message)
            answer = self._worker.order(image, options)
            result = await asyncio.wrap_future(answer)
            accept = request.headers.get("accept", RESULT_TYPE)
            return await run_in_threadpool(_answer, accept, image, result)
        except BusyError as error:
            return _error(429, str(error), {"Retry-After": "5"})
        except LimitError as error:
            return _error(413, str(error))
        except CellsegError as error:
            return _error(400, str(error))
        except ClientDisconnect:
            return _error(400, "the client went away")

    async def invoke_runtime(self, request: Request) -> Response:
        """Answer as SageMaker's runtime does: what fails is a ModelError."""
        answer = await self.invoke(request)
        if answer.status_code == 200:
            answer.headers["x-Amzn-Invoked-Production-Variant"] = "AllTraffic"
            return answer
        told = json.loads(bytes(answer.body))["error"]
        if answer.status_code == 429:
            names = {"x-amzn-ErrorType": "ThrottlingException"}
            return JSONResponse({"Message": told}, 429, names)
        content = {
            "Message": told,
            "OriginalStatusCode": answer.status_code,
            "OriginalMessage": told,
        }
        return JSONResponse(content, 424, {"x-amzn-ErrorType": "ModelError"})

    async def _body(self, request: Request) -> bytes:
        """Return the body, or stop reading at the limit."""
        limit = self._options.max_body_bytes
        parts: list[bytes] = []
        n_bytes = 0
        async for part in request.stream():
            n_bytes += len(part)
            if n_bytes > limit:
                raise LimitError(f"The request is larger than {limit // MIB} MiB.")
            parts.append(part)
        return b"".join(parts)

    def _understood(self, message: Message) -> tuple[CellImage, SegmentOptions]:
        """Return image and options of a request of ours, or of a plain file."""
        if message.attributes:
            return decode_request(message, self._options.max_image_bytes)
        if message.content_type == JSON_TYPE:
            return _image_of_json(message.body), SegmentOptions()
        if message.content_type == NPY_TYPE:
            raise RemoteError(
                f"An npy file does not say its axes; name them in {ATTRIBUTES_HEADER}."
            )
        if message.content_type not in SUFFIXES:
            raise RemoteError(
                f"Requests of type '{message.content_type}' are not read; send one of "
                f"{', '.join(SUFFIXES)}, or {JSON_TYPE}."
            )
        limits = ReadLimits(max_bytes=self._options.max_image_bytes)
        with tempfile.TemporaryDirectory(prefix="cellseg-") as folder:
            path = Path(folder) / f"image{SUFFIXES[message.content_type]}"
            path.write_bytes(message.body)
            image = read_image(path, limits=limits)
            # The file goes away; what was to be read later is read now.
            return CellImage(
                np.asarray(image.data),
                image.axes,
                image.pixel_size,
                image.channel_names,
                is_rgb=image.is_rgb,
            ), SegmentOptions()


def _image_of_json(body: bytes) -> CellImage:
    """Return the image that a client of another system sends as nested lists."""
    try:
        values = json.loads(body)
        found = next(values[key] for key in JSON_KEYS if key in values)
        array = np.squeeze(np.asarray(found, dtype=np.float32))
    except (ValueError, TypeError, StopIteration) as error:
        raise RemoteError(
            f"The JSON holds no image; one of {', '.join(JSON_KEYS)} with (y, x) or "
            "(y, x, channel) numbers is expected."
        ) from error
    if array.ndim == 3 and array.shape[-1] == 3:
        return CellImage(np.moveaxis(array, -1, 0), is_rgb=True)
    if array.ndim != 2:
        raise RemoteError(
            f"The JSON holds numbers of shape {array.shape}; one plane is expected."
        )
    return CellImage(array[None])


def _answer(accept: str, image: CellImage, result: SegmentationResult) -> Response:
    """Return a result in the form that the client asks for."""
    if "image/png" in accept:
        counts = {"X-Cells": str(len(result.confidence))}
        return Response(overlay_png(image, result.labels), 200, counts, "image/png")
    if "image/tiff" in accept:
        return Response(labels_tiff(result.labels), media_type="image/tiff")
    confidence = {i + 1: float(value) for i, value in enumerate(result.confidence)}
    table = measure_cells(image, result.labels, confidence=confidence)
    if JSON_TYPE in accept:
        content: dict[str, Any] = {
            "n_cells": len(result.confidence),
            "model": result.model_name,
            "digest": result.model_digest,
            "seconds": result.seconds,
            "summary": table.summary,
            "cells": json.loads(table.cells.to_json(orient="records")),
        }
        return JSONResponse(content)
    message = encode_result(result, {"summary": table.summary})
    return Response(message.body, media_type=message.content_type)


def _error(
    status: int, text: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": text}, status, headers)
