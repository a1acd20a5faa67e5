"""The server's doors: SageMaker's container contract, its runtime API, and our own."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from napari_cellseg.cloud.wire.envelope import ATTRIBUTES_HEADER, RESULT_TYPE, Message
from napari_cellseg.cloud.wire.stream import STREAM_TYPE
from napari_cellseg.core.errors import CellsegError, LimitError, RemoteError
from napari_cellseg.serving.bench.work import Order, Worker
from napari_cellseg.serving.doors.desk import MIB, Desk, ServerOptions, streamed
from napari_cellseg.serving.doors.later import LaterDoor
from napari_cellseg.serving.doors.runtime import (
    EVENT_STREAM_TYPE,
    VARIANT_HEADER,
    as_events,
    runtime_reply,
)
from napari_cellseg.serving.requests.reply import (
    GoneError,
    Reply,
    StalledError,
    no_room,
    refusal,
    refused,
)

STOP_SECONDS = 12.0
#: A body of which nothing comes for so long has lost its sender.
STALL_SECONDS = 30.0
#: So has one that comes more slowly, after that time: a tenth of a slow mobile line.
MIN_BYTES_A_SECOND = 8 * 1024
#: What the runtime calls Content-Type and Accept where its own answer has others.
RUNTIME_ACCEPT = "X-Amzn-SageMaker-Accept"
RUNTIME_TYPE = "X-Amzn-SageMaker-Content-Type"
NO_ENTRY = "the token is missing or wrong; ask who started the server for it"
#: Batch transform sends no more at once.
BATCH_MIB = 100


def create_app(worker: Worker, options: ServerOptions) -> Starlette:
    """Return the application; it starts and stops the worker."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        worker.start()
        try:
            yield
        finally:
            await run_in_threadpool(worker.stop, STOP_SECONDS)

    desk = Desk(worker, options)
    doors = _Doors(desk, LaterDoor(desk))
    endpoint = "/endpoints/{name}"
    routes = [
        Route("/ping", doors.ping, methods=["GET", "POST"]),
        Route("/v1/info", doors.guarded(doors.info)),
        Route("/invocations", doors.guarded(doors.invoke), methods=["POST"]),
        Route(
            f"{endpoint}/invocations",
            doors.guarded(doors.invoke_runtime),
            methods=["POST"],
        ),
        Route(
            f"{endpoint}/invocations-response-stream",
            doors.guarded(doors.invoke_stream),
            methods=["POST"],
        ),
        Route(
            f"{endpoint}/async-invocations",
            doors.guarded(doors.invoke_later),
            methods=["POST"],
        ),
        Route("/execution-parameters", doors.batch_limits),
        Route("/", doors.page),
    ]
    # A page of somebody else must not reach a server of this computer by another name.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=list(options.hosts))
    return Starlette(routes=routes, lifespan=lifespan, middleware=[hosts])


Handler = Callable[[Request], Awaitable[Response]]


class _Doors:
    """The handlers."""

    def __init__(self, desk: Desk, later: LaterDoor) -> None:
        self._desk, self._later = desk, later

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler that lets in only who has the token."""
        wanted = f"Bearer {self._desk.options.token}".encode()

        async def checked(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            is_right = hmac.compare_digest(given.encode(), wanted)
            if self._desk.options.token and not is_right:
                return _response(refused(401, NO_ENTRY))
            try:
                return await handler(request)
            except CellsegError as error:
                return _response(refusal(error))
            except MemoryError:
                return _response(no_room(is_busy=self._desk.worker.is_busy))
            except ClientDisconnect:
                return _response(refusal(GoneError("The client went away.")))

        return checked

    async def ping(self, _request: Request) -> Response:
        """Answer 200 once the model is loaded, 503 before and when it cannot be."""
        worker = self._desk.worker
        if worker.is_ready:
            return PlainTextResponse("")
        return PlainTextResponse(worker.problem or "loading the model", 503)

    async def info(self, _request: Request) -> Response:
        """Say what runs here, which options there are, and what is allowed."""
        return JSONResponse(self._desk.info())

    async def batch_limits(self, _request: Request) -> Response:
        """Say how batch transform is to call us."""
        return JSONResponse(
            {
                "MaxConcurrentTransforms": 1,
                "BatchStrategy": "SINGLE_RECORD",
                "MaxPayloadInMB": min(
                    BATCH_MIB, self._desk.options.max_body_bytes // MIB
                ),
            }
        )

    async def page(self, _request: Request) -> Response:
        """Give the page on which an image can be dropped."""
        text = (files("napari_cellseg.serving") / "page.html").read_text(
            encoding="utf-8"
        )
        return HTMLResponse(text)

    async def invoke(self, request: Request) -> Response:
        """Answer one request; with its progress if the client asks for that."""
        accept = request.headers.get("accept", RESULT_TYPE)
        if STREAM_TYPE in accept:
            pieces = await self._streamed(request, accept)
            return StreamingResponse(pieces, media_type=STREAM_TYPE)
        return _response(await self._reply(request, accept))

    async def invoke_runtime(self, request: Request) -> Response:
        """Answer as SageMaker's runtime does."""
        accept = request.headers.get("accept", RESULT_TYPE)
        try:
            reply = await self._reply(request, accept)
        except CellsegError as error:
            reply = refusal(error)
        return _response(runtime_reply(reply))

    async def invoke_stream(self, request: Request) -> Response:
        """Answer as SageMaker's runtime does where the container streams."""
        accept = request.headers.get(RUNTIME_ACCEPT, STREAM_TYPE)
        try:
            pieces = await self._streamed(request, accept)
        except CellsegError as error:
            return _response(runtime_reply(refusal(error)))
        headers = {RUNTIME_TYPE: STREAM_TYPE, VARIANT_HEADER: "AllTraffic"}
        return StreamingResponse(as_events(pieces), 200, headers, EVENT_STREAM_TYPE)

    async def invoke_later(self, request: Request) -> Response:
        """Say where the answer will be, and work on it."""
        if (refused_at_once := self._later.refused()) is not None:
            return _response(refused_at_once)
        try:
            message = await self._message(request)
        except CellsegError as error:
            return _response(runtime_reply(refusal(error)))
        return _response(self._later.take(request.headers, message.body))

    async def _reply(self, request: Request, accept: str) -> Reply:
        """Return the answer to a request."""
        if (told := self._desk.told(_attributes(request))) is not None:
            return told
        order = await self._order(request, accept, self._desk.options.seconds)
        return await self._desk.finished(order, request.is_disconnected)

    async def _streamed(self, request: Request, accept: str) -> AsyncIterator[bytes]:
        """Return the pieces of an answer that tells of its progress."""
        if (told := self._desk.told(_attributes(request))) is not None:
            return streamed(told)
        order = await self._order(request, accept, self._desk.options.stream_seconds)
        return self._desk.pieces(order)

    async def _order(self, request: Request, accept: str, seconds: float) -> Order:
        """Take a request in; who finds no place is told before a byte is read."""
        with self._desk.worker.place() as place:
            message = await self._message(request)
            return self._desk.worker.order(message, accept, seconds, place)

    async def _message(self, request: Request) -> Message:
        """Return a request as it arrived, or stop reading at the limit."""
        limit = self._desk.options.max_body_bytes
        packed = request.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("", "identity"):
            # Nothing is expanded whose size is not known before.
            raise RemoteError(
                f"The request is packed as a whole ({packed:.20}), which is not read. Send "
                "it as it is, and pack the image inside its file."
            )
        told = request.headers.get("content-length", "0")
        n_bytes = int(told) if told.isdecimal() else 0
        body = bytearray()
        if n_bytes <= limit:
            async for part in _arriving(request):
                body += part
                n_bytes = max(n_bytes, len(body))
                if n_bytes > limit:
                    break
        if n_bytes > limit:
            raise LimitError(
                f"The request has {n_bytes / MIB:.1f} MiB or more; this server takes "
                f"{limit / MIB:.1f} MiB. Send a smaller region, or send it in tiles."
            )
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        return Message(bytes(body), kind, _attributes(request))


async def _arriving(request: Request) -> AsyncIterator[bytes]:
    """Yield the parts of a body; who says nothing for long gives its place to others."""
    parts = aiter(request.stream())
    started, n_bytes = time.monotonic(), 0
    while True:
        until = started + STALL_SECONDS + n_bytes / MIN_BYTES_A_SECOND
        seconds = min(STALL_SECONDS, until - time.monotonic())
        try:
            async with asyncio.timeout(seconds):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            taken = time.monotonic() - started
            raise StalledError(
                f"{n_bytes} bytes of the request came in {taken:.0f} s, and the rest too "
                "slowly; send it again, or a smaller region."
            ) from error
        n_bytes += len(part)
        yield part


def _attributes(request: Request) -> str:
    return request.headers.get(ATTRIBUTES_HEADER, "")


def _response(reply: Reply) -> Response:
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)
