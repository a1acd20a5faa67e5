"""What a server and its bench say to each other: a line of JSON each, and bytes behind it.

Nothing is unpickled. A line says how many bytes follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import IO, Any

from napari_cellseg.cloud.wire.envelope import Message
from napari_cellseg.core.jobs import Progress
from napari_cellseg.nn.process.messages import receive, send
from napari_cellseg.serving.bench.bench import (
    Answer,
    Ended,
    News,
    Problem,
    Ready,
    Step,
    Task,
)
from napari_cellseg.serving.requests.reply import Reply, no_room

TASK, DROP, STOP = "task", "drop", "stop"
#: Said by who reads, of a frame whose body found no memory.
LOST = "lost"
PIECE_BYTES = 2**16
READY, PROBLEM, STEP, ANSWER = "ready", "problem", "step", "answer"


def write_frame(
    stream: IO[bytes], values: Mapping[str, Any], body: bytes = b""
) -> None:
    """Write one frame; a stream that is closed raises `OSError` or `ValueError`."""
    send(stream, {**values, "bytes": len(body)})
    if body:
        stream.write(body)
        stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """Return the next frame, or None when the other side is gone.

    A body for which there is no memory is passed over: what comes back has none, and says
    so under `LOST`.
    """
    values = receive(stream)
    if values is None:
        return None
    try:
        body = stream.read(values["bytes"]) if values["bytes"] else b""
    except MemoryError:
        return ({**values, LOST: True}, b"") if _pass(stream, values["bytes"]) else None
    return None if len(body) < values["bytes"] else (values, body)


def _pass(stream: IO[bytes], n_bytes: int) -> bool:
    """Read and forget so many bytes; False where the other side is gone."""
    while n_bytes:
        piece = stream.read(min(n_bytes, PIECE_BYTES))
        if not piece:
            return False
        n_bytes -= len(piece)
    return True


def task_frame(task: Task) -> tuple[dict[str, Any], bytes]:
    """Return a task as it travels."""
    values = {
        "kind": TASK,
        "number": task.number,
        "type": task.message.content_type,
        "attributes": task.message.attributes,
        "accept": task.accept,
        "seconds": task.seconds,
    }
    return values, task.message.body


def task_of(values: Mapping[str, Any], body: bytes) -> Task:
    """Return the task of a frame."""
    message = Message(body, values["type"], values["attributes"])
    return Task(values["number"], message, values["accept"], values["seconds"])


def news_frame(news: News) -> tuple[dict[str, Any], bytes]:
    """Return news as they travel."""
    if isinstance(news, Ready):
        return {"kind": READY, **asdict(news)}, b""
    if isinstance(news, Problem | Ended):
        return {"kind": PROBLEM, "text": news.text}, b""
    if isinstance(news, Step):
        done = news.progress
        told = [done.done, done.total, done.message]
        return {"kind": STEP, "number": news.number, "progress": told}, b""
    reply = news.reply
    values = {
        "kind": ANSWER,
        "number": news.number,
        "status": reply.status,
        "type": reply.content_type,
        "headers": dict(reply.headers),
    }
    return values, reply.body


def news_of(values: Mapping[str, Any], body: bytes) -> News:
    """Return the news of a frame."""
    kind = values["kind"]
    if kind == READY:
        return Ready(values["spec"], values["device"], values["n_alike"])
    if kind == PROBLEM:
        return Problem(values["text"])
    if kind == STEP:
        return Step(values["number"], Progress(*values["progress"]))
    if LOST in values:
        # It was worked on: to send it again would only cost the same again.
        return Answer(values["number"], no_room(is_busy=False))
    reply = Reply(values["status"], body, values["type"], values["headers"])
    return Answer(values["number"], reply)
