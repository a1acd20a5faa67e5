"""The table of runs: one row an image in one state, written on conditions.

A row is held by the function that works on the image, for as long as its lease; so two
messages of one upload come to one run, and a function that dies lets go.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from napari_cellseg.cloud.pipeline.contract import PipelineSettings

WORKING, SUBMITTED, DONE = "working", "submitted", "done"
WAITING, REFUSED, FAILED, REPLACED = "waiting", "refused", "failed", "replaced"
FINISHED = (DONE, SUBMITTED, REFUSED, REPLACED)
#: The way from an answer to its run is forgotten after 30 days.
ANSWER_SECONDS = 30 * 86400
#: An asynchronous endpoint drops what it did not begin within 6 hours; one more to work.
SUBMITTED_SECONDS = 7 * 3600
MAX_ERROR = 500


class Claim(Enum):
    """What asking for an image comes to."""

    MINE = "mine"
    FINISHED = "finished"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Run:
    """One state of one image.

    Attributes
    ----------
    run_id : str
        64 hexadecimal digits; the same for every message of the same upload.
    key, etag : str
        The image and its state.
    n_bytes : int
        Size of the file.
    """

    run_id: str
    key: str
    etag: str
    n_bytes: int


def run_of(settings: PipelineSettings, key: str, found: dict[str, Any]) -> Run:
    """Return the run of an image as S3's HEAD shows it.

    When it was written counts too: the same image uploaded again, after another one of
    the same name, is a run of its own.
    """
    etag, written = str(found["ETag"]), found["LastModified"].isoformat()
    text = "\0".join(
        (settings.bucket, key, etag, written, str(found.get("VersionId", "")))
    )
    run_id = hashlib.sha256(text.encode()).hexdigest()
    return Run(run_id, key, etag, int(found["ContentLength"]))


class RunTable:
    """Writes the rows.

    Parameters
    ----------
    client : boto3 client of DynamoDB
    settings : PipelineSettings
    """

    def __init__(self, client: Any, settings: PipelineSettings) -> None:
        self._client = client
        self._settings = settings

    def claim(self, run: Run, *, again: bool = False) -> Claim:
        """Take hold of an image, unless it is finished or held.

        Parameters
        ----------
        run : Run
            Which.
        again : bool
            True also takes what was refused: somebody asked for it.
        """
        now = int(time.time())
        free = "attribute_not_exists(run_id) OR run_state IN (:waiting, :failed)"
        free += " OR (run_state IN (:working, :submitted) AND lease_until < :now)"
        states = [WAITING, FAILED, WORKING, SUBMITTED]
        if again:
            free += " OR run_state = :refused"
            states.append(REFUSED)
        names = {f":{state}": _text(state) for state in states}
        lease = now + self._settings.lease_seconds
        try:
            self._client.update_item(
                TableName=self._settings.table,
                Key={"run_id": _text(run.run_id)},
                UpdateExpression=(
                    "SET run_state = :working, lease_until = :lease, image_key = :key, etag "
                    "= :etag, n_bytes = :size, started = if_not_exists(started, :now) "
                    "ADD attempts :one"
                ),
                ConditionExpression=free,
                ExpressionAttributeValues={
                    **names,
                    ":now": _number(now),
                    ":lease": _number(lease),
                    ":key": _text(run.key),
                    ":etag": _text(run.etag),
                    ":size": _number(run.n_bytes),
                    ":one": _number(1),
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            state = self.row(run.run_id).get("run_state")
            return Claim.FINISHED if state in FINISHED else Claim.BUSY
        return Claim.MINE

    def end(self, run_id: str, state: str, values: dict[str, Any]) -> None:
        """Write how a run ended; `values` are texts and numbers."""
        self._set(run_id, {"run_state": state, "finished": int(time.time()), **values})

    def wait(self, run_id: str, error: str) -> None:
        """Let go of an image that is to be tried again."""
        self._set(run_id, {"run_state": WAITING, "error": error[:MAX_ERROR]})

    def submit(self, run_id: str, places: dict[str, bool]) -> None:
        """Note that an asynchronous endpoint has it, and where it will answer.

        `places` are keys, and whether an answer there means failure.
        """
        lease = int(time.time()) + SUBMITTED_SECONDS
        for key, is_failure in places.items():
            self._client.put_item(
                TableName=self._settings.table,
                Item={
                    "run_id": _text(_answer_id(key)),
                    "for_run": _text(run_id),
                    "is_failure": _number(int(is_failure)),
                    "expires": _number(int(time.time()) + ANSWER_SECONDS),
                },
            )
        self._set(run_id, {"run_state": SUBMITTED, "lease_until": lease})

    def run_answered_at(self, key: str) -> dict[str, Any]:
        """Return the row of the run that an answer belongs to, empty if not known.

        Its ``is_failure`` says whether the answer is one.
        """
        found = self.row(_answer_id(key))
        if not found:
            return {}
        return {**self.row(found["for_run"]), "is_failure": found["is_failure"]}

    def row(self, run_id: str) -> dict[str, Any]:
        """Return a row as texts and whole numbers, empty if there is none."""
        answer = self._client.get_item(
            TableName=self._settings.table,
            Key={"run_id": _text(run_id)},
            ConsistentRead=True,
        )
        return {
            name: int(value["N"]) if "N" in value else value.get("S", "")
            for name, value in answer.get("Item", {}).items()
        }

    def _set(self, run_id: str, values: dict[str, Any]) -> None:
        names = {f"#{i}": name for i, name in enumerate(values)}
        given = {f":{i}": _typed(value) for i, value in enumerate(values.values())}
        parts = ", ".join(f"#{i} = :{i}" for i in range(len(values)))
        self._client.update_item(
            TableName=self._settings.table,
            Key={"run_id": _text(run_id)},
            UpdateExpression=f"SET {parts}",
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=given,
        )


def _answer_id(key: str) -> str:
    """Return the row that leads from an answer to its run."""
    return "answer-" + hashlib.sha256(key.encode()).hexdigest()


def _typed(value: Any) -> dict[str, str]:
    """Return a value as DynamoDB takes it."""
    if isinstance(value, int | float):
        return _number(value)
    return _text(str(value))


def _text(value: str) -> dict[str, str]:
    return {"S": value}


def _number(value: float) -> dict[str, str]:
    return {"N": str(value)}
