"""Requests that are answered later, through a store, as SageMaker's async endpoints do."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from napari_cellseg.cloud.wire.envelope import (
    ATTRIBUTES_HEADER,
    JSON_TYPE,
    RESULT_TYPE,
    Message,
)
from napari_cellseg.core.errors import CellsegError, RemoteError
from napari_cellseg.serving.doors.desk import Desk
from napari_cellseg.serving.doors.runtime import runtime_error
from napari_cellseg.serving.doors.store import Store, open_store
from napari_cellseg.serving.requests.reply import BusyError, Reply, refusal

logger = logging.getLogger(__name__)

PREFIX = "X-Amzn-SageMaker-"
MAX_WAITING = 100
#: A full queue is looked at again after so long.
AGAIN_SECONDS = 1.0
NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class Errand:
    """One request that is answered later.

    Attributes
    ----------
    number : str
        Names the answer.
    source : str
        Where the request lies; "" if it came along.
    message : Message
        The request; its body is empty where it lies elsewhere.
    accept : str
        The form of the answer.
    """

    number: str
    source: str
    message: Message
    accept: str

    @property
    def output(self) -> str:
        """Name of the answer in the store."""
        return f"output/{self.number}.out"

    @property
    def failure(self) -> str:
        """Name of the reason why there is none."""
        return f"failures/{self.number}-error.out"


class LaterDoor:
    """Takes errands and works them off."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        root = desk.options.store
        self._store: Store | None = open_store(root) if root else None
        self._tasks: set[asyncio.Task[None]] = set()

    def refused(self) -> Reply | None:
        """Return why no errand is taken now, known before one is read; None if it is."""
        if self._store is None:
            content = {
                "Message": "This server answers at once only; start it with --store to "
                "have answers put into a folder or bucket."
            }
            return runtime_error(400, "ValidationError", content)
        if len(self._tasks) >= MAX_WAITING:
            content = {"Message": f"{MAX_WAITING} requests wait already."}
            return runtime_error(429, "ThrottlingException", content)
        return None

    def take(self, headers: Mapping[str, str], body: bytes) -> Reply:
        """Take an errand and say where its answer will be."""
        if (refused := self.refused()) is not None or self._store is None:
            return refused or refusal(BusyError())
        try:
            errand = _errand_of(headers, body)
        except RemoteError as error:
            return runtime_error(400, "ValidationError", {"Message": str(error)})
        task = asyncio.get_running_loop().create_task(self._run(errand, self._store))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        body_back = json.dumps({"InferenceId": errand.number}).encode()
        places = {
            f"{PREFIX}OutputLocation": self._store.location(errand.output),
            f"{PREFIX}FailureLocation": self._store.location(errand.failure),
        }
        return Reply(202, body_back, JSON_TYPE, places)

    async def _run(self, errand: Errand, store: Store) -> None:
        """Fetch, work, and put the answer or the reason into the store."""
        try:
            reply = await self._replied(errand, store)
            name = errand.output if reply.status == 200 else errand.failure
            await run_in_threadpool(store.write, name, reply.body, reply.content_type)
        except (CellsegError, OSError) as error:
            logger.warning(
                "The answer %s could not be written: %s", errand.number, error
            )

    async def _replied(self, errand: Errand, store: Store) -> Reply:
        message = errand.message
        try:
            if errand.source:
                limit = self._desk.options.max_body_bytes
                body = await run_in_threadpool(store.read, errand.source, limit)
                message = Message(body, message.content_type, message.attributes)
            while True:
                reply = await self._desk.answer(message, errand.accept, _is_never_gone)
                if reply.status != refusal(BusyError()).status:
                    return reply
                await asyncio.sleep(AGAIN_SECONDS)
        except CellsegError as error:
            return refusal(error)


def _errand_of(headers: Mapping[str, str], body: bytes) -> Errand:
    """Return what the headers of a request ask for; raises `RemoteError`."""
    number = headers.get(f"{PREFIX}Inference-Id", "") or uuid.uuid4().hex
    if not NUMBER.fullmatch(number):
        raise RemoteError(f"'{number:.70}' is no inference id.")
    source = headers.get(f"{PREFIX}InputLocation", "")
    if not source and not body:
        raise RemoteError("Neither an InputLocation nor a body was sent.")
    kind = headers.get(f"{PREFIX}Content-Type", headers.get("Content-Type", ""))
    message = Message(
        b"" if source else body,
        kind.split(";")[0].strip(),
        headers.get(ATTRIBUTES_HEADER, ""),
    )
    return Errand(number, source, message, headers.get(f"{PREFIX}Accept", RESULT_TYPE))


async def _is_never_gone() -> bool:
    """Nobody holds the line while a request is answered later."""
    return False
