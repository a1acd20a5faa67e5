"""What every door does with a request: understand it, have it done, answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from napari_cellseg import __version__
from napari_cellseg.cloud.wire.envelope import Message, attributes_of
from napari_cellseg.cloud.wire.parts import INFO
from napari_cellseg.cloud.wire.stream import last_line, progress_line
from napari_cellseg.core.counted import counted
from napari_cellseg.core.errors import CellsegError, RemoteError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.core.options import SegmentOptions, fields_with_ranges
from napari_cellseg.serving.bench.devices import titles
from napari_cellseg.serving.bench.work import Order, Worker
from napari_cellseg.serving.requests.reply import (
    GoneError,
    NotReadyError,
    Reply,
    json_reply,
    refusal,
)

MIB = 2**20
#: A streamed answer says something at least this often, so that a client that went away
#: is noticed, and a client can stop.
BEAT_SECONDS = 1.0
PIECE_BYTES = MIB
STOPPED = (
    "The server was stopped before this image was done; send it again once it runs."
)

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
        Has the work done.
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
        ready, devices = self.worker.opened(), self.worker.devices()
        return {
            "version": __version__,
            "model": json.loads(ready.spec),
            "device": titles(devices) or ready.device,
            "devices": [asdict(each) for each in devices],
            "n_ready": sum(each.state == "ready" for each in devices),
            "options": fields_with_ranges(SegmentOptions),
            "max_body_bytes": self.options.max_body_bytes,
            "max_image_bytes": self.options.max_image_bytes,
            "seconds": self.options.seconds,
            "n_waiting": self.worker.n_waiting,
        }

    def told(self, attributes: str) -> Reply | None:
        """Return the answer to a question that needs no work, None to any other."""
        try:
            is_info = bool(attributes) and attributes_of(attributes).get("ask") == INFO
        except RemoteError:
            # Whoever reads the request says what is wrong with it.
            return None
        return json_reply(self.info()) if is_info else None

    async def answer(self, message: Message, accept: str, is_gone: IsGone) -> Reply:
        """Return the answer to a request that is here; errors are answers as well."""
        try:
            if (told := self.told(message.attributes)) is not None:
                return told
            with self.worker.place() as place:
                order = self.worker.order(message, accept, self.options.seconds, place)
            return await self.finished(order, is_gone)
        except CellsegError as error:
            return refusal(error)

    async def finished(self, order: Order, is_gone: IsGone) -> Reply:
        """Return the answer to an order.

        Raises
        ------
        GoneError
            Where nobody waits for it.
        NotReadyError
            If the server is stopped before it is there.
        """
        answer = asyncio.wrap_future(order.answer)
        try:
            while True:
                await asyncio.wait([answer], timeout=BEAT_SECONDS)
                if answer.done():
                    return answer.result()
                if await is_gone():
                    raise GoneError("The client went away.")
        except asyncio.CancelledError as error:
            raise NotReadyError(STOPPED) from error
        finally:
            order.drop()

    async def pieces(self, order: Order) -> AsyncIterator[bytes]:
        """Yield a streamed answer; see `cloud.wire.stream`. Closing it drops the order."""
        answer = asyncio.wrap_future(order.answer)
        try:
            while not answer.done():
                yield progress_line(self._progress_of(order))
                await asyncio.wait([answer], timeout=BEAT_SECONDS)
            reply = answer.result()
        except asyncio.CancelledError:
            reply = refusal(NotReadyError(STOPPED))
        finally:
            order.drop()
        async for piece in streamed(reply):
            yield piece

    def _progress_of(self, order: Order) -> Progress:
        """Return how far an order is, in words."""
        n_before = self.worker.n_before(order)
        if n_before:
            images = counted(n_before, "image")
            return Progress(0, 0, f"waiting; {images} before yours")
        return order.progress


async def streamed(reply: Reply) -> AsyncIterator[bytes]:
    """Yield an answer as the end of a stream."""
    line = last_line(reply.status, reply.content_type, len(reply.body))
    # In one piece with its beginning: each piece wakes up who reads it.
    yield line + reply.body[:PIECE_BYTES]
    for start in range(PIECE_BYTES, len(reply.body), PIECE_BYTES):
        yield reply.body[start : start + PIECE_BYTES]
