"""What AWS runs around the function: Lambda's runtime API, and the queue's poller.

The runtime client is the real one (awslambdaric); it asks the API here for events.
"""

from __future__ import annotations

import http.server
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HANDLER = "napari_cellseg.cloud.pipeline.handler.handler"
PATH = "/2018-06-01/runtime"
NAMES = ("ApproximateReceiveCount", "SentTimestamp")


class _Api(http.server.BaseHTTPRequestHandler):
    """Hands out events and takes answers."""

    server: Any
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        owner: Function = self.server.owner
        while True:
            try:
                number, event = owner.waiting.get(timeout=0.2)
            except queue.Empty:
                if owner.is_closed.is_set():
                    self.close_connection = True
                    return
                continue
            break
        body = json.dumps(event).encode()
        self.send_response(200)
        deadline = int((time.time() + owner.seconds) * 1000)
        self.send_header("Lambda-Runtime-Aws-Request-Id", number)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(deadline))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:x")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self._body()
        number, _, kind = self.path.removeprefix(f"{PATH}/invocation/").partition("/")
        self.server.owner.answers.put((number, kind, json.loads(body or b"null")))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        """Return the body; the runtime client sends it in chunks."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Function:
    """The function, deployed in a folder and run by the real runtime client."""

    code: Path
    variables: dict[str, str]
    seconds: float = 360.0
    waiting: queue.Queue[tuple[str, dict[str, Any]]] = field(
        default_factory=queue.Queue
    )
    answers: queue.Queue[tuple[str, str, Any]] = field(default_factory=queue.Queue)
    is_closed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Function:
        self._api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Api)
        self._api.owner = self  # type: ignore[attr-defined]
        self._api.daemon_threads = True
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed.set()
        self.kill()
        self._api.shutdown()
        self._api.server_close()

    def start(self) -> None:
        """Start the runtime client."""
        host, port = self._api.server_address[:2]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", HANDLER],
            env={
                **os.environ,
                **self.variables,
                "PYTHONPATH": str(self.code),
                "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}",
                "AWS_LAMBDA_FUNCTION_NAME": "cellseg",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1536",
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "LAMBDA_TASK_ROOT": str(self.code),
            },
            cwd=self.code,
        )

    def kill(self) -> None:
        """End the function in the middle of whatever it does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def call(self, event: dict[str, Any], seconds: float = 120.0) -> Any:
        """Call the function; None if it died or failed."""
        number = str(uuid.uuid4())
        self.waiting.put((number, event))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None and self.answers.empty():
                return None
            try:
                answered, kind, content = self.answers.get(timeout=0.2)
            except queue.Empty:
                continue
            if answered == number:
                return content if kind == "response" else None
        raise TimeoutError("the function did not answer")


def poll(sqs: Any, url: str, function: Function, n_most: int = 4) -> int:
    """Do what the event source mapping does, once; return the number of messages."""
    found = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=n_most,
        AttributeNames=["All"],
        MessageAttributeNames=["All"],
        WaitTimeSeconds=1,
    ).get("Messages", [])
    if not found:
        return 0
    records = [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": {name: one["Attributes"].get(name, "1") for name in NAMES},
            "messageAttributes": one.get("MessageAttributes", {}),
            "eventSource": "aws:sqs",
        }
        for one in found
    ]
    answer = function.call({"Records": records})
    if answer is None:
        return len(found)
    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
    for one in found:
        if one["MessageId"] not in failed:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    return len(found)
