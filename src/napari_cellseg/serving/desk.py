"""What every door does with a request: understand it, have it done, answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool

from napari_cellseg import __version__
from napari_cellseg.cloud.stream import last_line, progress_line
from napari_cellseg.cloud.wire import Message
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.options import SegmentOptions, fields_with_ranges
from napari_cellseg.serving.answering import Reply, json_reply, refusal, reply_to
from napari_cellseg.serving.asking import Asked, understood
from napari_cellseg.serving.work import GoneError, Order, Worker

MIB = 2**20
#: A streamed answer says something at least this often, so that a client that went away
#: is noticed, and a client can stop.
BEAT_SECONDS = 1.0
PIECE_BYTES = MIB

IsGone = Callable[[], Awaitable[bool]]


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
    seconds : float
        The longest that one answer may take, waiting included.
    stream_seconds : float
        The same for an answer that comes as a stream.
    hosts : tuple of str
        Names under which browsers may reach it; ``("*",)`` is any.
    store : str
        Folder, or ``s3://bucket/prefix``, for answers that are fetched later; "" if none.
    """

    token: str = ""
    max_body_bytes: int = 256 * MIB
    max_image_bytes: int = 2048 * MIB
    seconds: float = 3600.0
    stream_seconds: float = 3600.0
    hosts: tuple[str, ...] = ("*",)
    store: str = ""


class Desk:
    """Takes requests for a worker.

    Parameters
    ----------
    worker : Worker
        Does the work.
    options : ServerOptions
        What is allowed.
    """

    def __init__(self, worker: Worker, options: ServerOptions) -> None:
        self.worker = worker
        self.options = options

    def info(self) -> dict[str, Any]:
        """Return what runs here, which options there are, and what is allowed.

        Raises
        ------
        NotReadyError
            While the model is being loaded.
        """
        segmenter = self.worker.opened()
        return {
            "version": __version__,
            "model": json.loads(segmenter.spec.to_json()),
            "device": segmenter.device,
            "options": fields_with_ranges(SegmentOptions),
            "max_body_bytes": self.options.max_body_bytes,
            "max_image_bytes": self.options.max_image_bytes,
            "seconds": self.options.seconds,
            "n_waiting": self.worker.n_waiting,
            "answers_parts": True,
            "streams": True,
        }

    async def answer(self, message: Message, accept: str, is_gone: IsGone) -> Reply:
        """Return the answer to a request; errors are answers as well."""
        try:
            asked, order = await self.begin(message, self.options.seconds)
            if order is None:
                return json_reply(self.info())
            result = await _finished(order, is_gone)
            return await run_in_threadpool(
                reply_to, asked, result, accept, self.worker.opened()
            )
        except CellsegError as error:
            return refusal(error)

    async def begin(
        self, message: Message, seconds: float
    ) -> tuple[Asked, Order | None]:
        """Understand a request and put it into the queue; raises `CellsegError`."""
        asked = await run_in_threadpool(
            understood, message, self.options.max_image_bytes
        )
        if asked.work is None:
            return asked, None
        return asked, self.worker.order(asked.work, seconds)

    async def pieces(
        self, asked: Asked, order: Order | None, accept: str
    ) -> AsyncIterator[bytes]:
        """Yield a streamed answer; see `cloud.stream`. Closing it drops the order."""
        try:
            if order is None:
                reply = json_reply(self.info())
            else:
                answer = _answer_of(order)
                async for line in self._progress_of(order, answer):
                    yield line
                reply = await run_in_threadpool(
                    reply_to, asked, answer.result(), accept, self.worker.opened()
                )
        except CellsegError as error:
            reply = refusal(error)
        finally:
            if order is not None:
                order.drop()
        yield last_line(reply.status, reply.content_type, len(reply.body))
        for start in range(0, len(reply.body), PIECE_BYTES):
            yield reply.body[start : start + PIECE_BYTES]

    async def _progress_of(
        self, order: Order, answer: asyncio.Future[Any]
    ) -> AsyncIterator[bytes]:
        """Yield a line at each beat until an order is done."""
        while not answer.done():
            yield progress_line(self._told(order))
            await asyncio.wait([answer], timeout=BEAT_SECONDS)

    def _told(self, order: Order) -> Progress:
        """Return how far an order is, in words."""
        n_before = self.worker.n_before(order)
        if n_before:
            images = "1 image" if n_before == 1 else f"{n_before} images"
            return Progress(0, 0, f"waiting; {images} before yours")
        return order.progress


async def _finished(order: Order, is_gone: IsGone) -> Any:
    """Return the result of an order; who went away is not worked for."""
    answer = _answer_of(order)
    try:
        while True:
            await asyncio.wait([answer], timeout=BEAT_SECONDS)
            if answer.done():
                return answer.result()
            if await is_gone():
                raise GoneError("The client went away.")
    finally:
        order.drop()


def _answer_of(order: Order) -> asyncio.Future[Any]:
    """Return the answer of an order, which may come when nobody waits any more."""
    answer = asyncio.wrap_future(order.answer)
    answer.add_done_callback(_hear)
    return answer


def _hear(answer: asyncio.Future[Any]) -> None:
    """Take note of an error, so that asyncio does not complain that nobody did."""
    if not answer.cancelled():
        answer.exception()
