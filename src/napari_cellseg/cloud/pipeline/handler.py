"""The Lambda function: messages of the queue in, the numbers of failed ones out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import quote_plus

from napari_cellseg.cloud.pipeline import runs
from napari_cellseg.cloud.pipeline.asking import (
    MAX_ANSWER_BYTES,
    ask_for_later,
    ask_now,
    checked_answer,
    could_not,
)
from napari_cellseg.cloud.pipeline.contract import (
    ASYNC_BYTES,
    COPIES,
    WHOLE_TYPE,
    LaterError,
    PipelineSettings,
    RefusedError,
    content_type_of,
    settings_from,
)
from napari_cellseg.cloud.pipeline.outputs import unpacked, write_parts
from napari_cellseg.cloud.pipeline.uploads import Upload, records_of, upload_of

logger = logging.getLogger(__name__)

#: A request may take 60 s at SageMaker; what cannot end before the function does waits.
NEEDED_SECONDS = 90.0
READ_SECONDS = 70.0
LONGEST_WAIT_SECONDS = 900
ERROR_ATTRIBUTE = "cellseg_error"
#: Text attributes of a message hold no more letters than this here.
MAX_ERROR = 500


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do what a batch of messages says; called by Lambda.

    Parameters
    ----------
    event : dict
        A batch of SQS.
    context : object
        Tells how much time is left.

    Returns
    -------
    dict
        ``batchItemFailures``: the messages that the queue is to give again.
    """
    pipeline = _pipeline()
    failed = []
    for message in event["Records"]:
        seconds_left = context.get_remaining_time_in_millis() / 1000
        if seconds_left < NEEDED_SECONDS:
            failed.append({"itemIdentifier": message["messageId"]})
        elif not pipeline.take(message):
            pipeline.ask_again_soon(message)
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}


@cache
def _pipeline() -> Pipeline:
    """Return what a running function keeps between its calls."""
    import boto3
    from botocore.config import Config

    usual = Config(connect_timeout=5, retries={"mode": "standard"})
    once = Config(
        connect_timeout=5, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
    )
    settings = settings_from()
    return Pipeline(
        settings,
        boto3.client("s3", config=usual),
        boto3.client("sqs", config=usual),
        boto3.client("sagemaker-runtime", config=once),
        runs.RunTable(boto3.client("dynamodb", config=usual), settings),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """Does one message after another.

    Attributes
    ----------
    settings : PipelineSettings
    s3, sqs, endpoint : boto3 clients
    table : RunTable
    """

    settings: PipelineSettings
    s3: Any
    sqs: Any
    endpoint: Any
    table: runs.RunTable

    def take(self, message: dict[str, Any]) -> bool:
        """Do what a message says; False if the queue is to give it again."""
        try:
            records = records_of(message["body"])
        except RefusedError as error:
            return self._is_done(partial(self._bury, message["body"], error))
        done = [self._is_done(partial(self._take, one, message)) for one in records]
        return all(done)

    def ask_again_soon(self, message: dict[str, Any]) -> None:
        """Have the queue give a message again in a while, later each time."""
        if not self.settings.queue:
            return
        seconds = self.settings.retry_seconds * 2 ** (_n_receives(message) - 1)
        try:
            with could_not("change when a message comes again"):
                self.sqs.change_message_visibility(
                    QueueUrl=self.settings.queue,
                    ReceiptHandle=message["receiptHandle"],
                    VisibilityTimeout=min(seconds, LONGEST_WAIT_SECONDS),
                )
        except LaterError as error:  # it then comes at the queue's own pace
            logger.warning("%s", error)

    def _is_done(self, do: Callable[[], None]) -> bool:
        """Do something, and say whether it need not be done again."""
        try:
            do()
        except LaterError as error:
            logger.warning("later: %s", error)
            return False
        return True

    def _take(self, record: dict[str, Any], message: dict[str, Any]) -> None:
        """Do what one record of a message says."""
        try:
            upload = upload_of(record, self.settings)
        except RefusedError as error:
            self._bury(json.dumps({"Records": [record]}), error)
            return
        if upload is not None:
            self._do(upload, message)

    def _do(self, upload: Upload, message: dict[str, Any]) -> None:
        if upload.is_answer:
            self._take_answer(upload)
            return
        run = self._look_at(upload.key)
        if run is None:
            return
        again = ERROR_ATTRIBUTE in message.get("messageAttributes", {})
        with could_not(f"note the run of {upload.key!r}"):
            claim = self.table.claim(run, again=again)
        if claim is runs.Claim.BUSY:
            raise LaterError(f"{upload.key!r} is being worked on by another call.")
        if claim is runs.Claim.FINISHED:
            logger.info("%r was done before", upload.key)
            return
        try:
            self._segment(run)
        except RefusedError as error:
            self._refuse(run, upload, error)
        except LaterError as error:
            self._put_back(run, error, message)
            raise

    def _refuse(self, run: runs.Run, upload: Upload, error: RefusedError) -> None:
        """Tell of an image that cannot be done; the row last, so that it is told of."""
        self._bury(json.dumps({"Records": [upload.record]}), error)
        with could_not(f"note the run of {run.key!r}"):
            self.table.end(run.run_id, runs.REFUSED, _told(error))

    def _look_at(self, key: str) -> runs.Run | None:
        """Return the run of the image as it is now, None if it is gone."""
        with could_not(f"read {key!r}"):
            try:
                found = self.s3.head_object(Bucket=self.settings.bucket, Key=key)
            except self.s3.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
                logger.info("%r is gone", key)
                return None
        return runs.run_of(self.settings, key, found)

    def _segment(self, run: runs.Run) -> None:
        """Ask the endpoint, or hand the image to the asynchronous one."""
        self._check_size(run)
        if run.n_bytes > self.settings.realtime_bytes:
            kind = self._kind(run, self._bytes(run, first=64))
            location = self._copied(run)
            keys = ask_for_later(self.endpoint, self.settings, run, location, kind)
            with could_not(f"note the run of {run.key!r}"):
                self.table.submit(run.run_id, keys)
            return
        body = self._bytes(run)
        kind = self._kind(run, body)
        answer = ask_now(self.endpoint, self.settings, run, body, kind)
        self._finish(run, answer)

    def _copied(self, run: runs.Run) -> str:
        """Return the address of a copy that the asynchronous endpoint is to read.

        Its name is plain: an address travels in a header, which holds ASCII only. And it
        stays what it is when the image is replaced.
        """
        key = f"{self.settings.async_prefix}{COPIES}{run.run_id}"
        with could_not(f"copy {run.key!r}"):
            self.s3.copy_object(
                Bucket=self.settings.bucket,
                Key=key,
                CopySource={"Bucket": self.settings.bucket, "Key": run.key},
                CopySourceIfMatch=run.etag,
                TaggingDirective="REPLACE",
            )
        return f"s3://{self.settings.bucket}/{key}"

    def _check_size(self, run: runs.Run) -> None:
        if run.n_bytes == 0:
            raise RefusedError(f"{run.key!r} is empty (0 bytes). Upload it again.")
        if run.n_bytes > ASYNC_BYTES:
            raise RefusedError(
                f"{run.key!r} has {run.n_bytes / 1e6:.0f} MB; an endpoint takes "
                f"{ASYNC_BYTES / 1e6:.0f}. Cut it, or segment it with cellseg segment."
            )
        if run.n_bytes > self.settings.realtime_bytes and not (
            self.settings.async_endpoint
        ):
            raise RefusedError(
                f"{run.key!r} has {run.n_bytes / 1e6:.0f} MB; the endpoint takes "
                f"{self.settings.realtime_bytes / 1e6:.0f}. Give the pipeline an asynchronous "
                "endpoint (AsyncEndpointName) for such images."
            )

    def _bytes(self, run: runs.Run, first: int | None = None) -> bytes:
        """Return the file, or its first bytes, if it is still the same."""
        names = {} if first is None else {"Range": f"bytes=0-{first - 1}"}
        with could_not(f"read {run.key!r}"):
            answer = self.s3.get_object(
                Bucket=self.settings.bucket, Key=run.key, IfMatch=run.etag, **names
            )
            data: bytes = answer["Body"].read()
        return data

    def _kind(self, run: runs.Run, body: bytes) -> str:
        kind = content_type_of(body)
        if not kind:
            raise RefusedError(
                f"{run.key!r} is no TIFF, PNG or JPEG: it begins with {body[:8]!r}. Export "
                "it as OME-TIFF and upload that."
            )
        return kind

    def _finish(self, run: runs.Run, answer: bytes) -> None:
        """Write the results, unless the image was replaced meanwhile."""
        parts = unpacked(answer)
        now = self._look_at(run.key)
        if now is None or now.run_id != run.run_id:
            # The new state has a message of its own; its results must not be replaced.
            self.table.end(run.run_id, runs.REPLACED, {"error": ""})
            return
        with could_not(f"write the results of {run.key!r}"):
            values = write_parts(self.s3, self.settings, run, parts)
            self.table.end(run.run_id, runs.DONE, values)

    def _take_answer(self, upload: Upload) -> None:
        """Finish the run that an asynchronous endpoint has answered."""
        with could_not(f"read {upload.key!r}"):
            row = self.table.run_answered_at(upload.key)
            if not row:
                raise LaterError(f"The answer {upload.key!r} belongs to no run yet.")
            if row.get("run_state") != runs.SUBMITTED:
                return
            found = self.s3.get_object(Bucket=self.settings.bucket, Key=upload.key)
            data = found["Body"].read(MAX_ANSWER_BYTES + 1)
        run = runs.Run(row["run_id"], row["image_key"], row["etag"], row["n_bytes"])
        if row["is_failure"]:
            told = data[:MAX_ERROR].decode("utf-8", "replace")
            s3 = {**upload.record["s3"], "object": {"key": quote_plus(run.key)}}
            image = Upload(run.key, False, {**upload.record, "s3": s3})
            self._refuse(run, image, RefusedError(f"{run.key!r}: {told}"))
            return
        self._finish(run, checked_answer(data, WHOLE_TYPE))

    def _put_back(
        self, run: runs.Run, error: LaterError, message: dict[str, Any]
    ) -> None:
        """Let go of an image; after the last try it counts as failed."""
        with could_not(f"note the run of {run.key!r}"):
            if _n_receives(message) >= self.settings.max_receives:
                self.table.end(run.run_id, runs.FAILED, _told(error))
            else:
                self.table.wait(run.run_id, str(error))

    def _bury(self, body: str, error: RefusedError) -> None:
        """Send what can never be done to the queue of failures, with the reason."""
        logger.error("refused: %s", error)
        told = "".join(c if c.isprintable() else " " for c in str(error))[:MAX_ERROR]
        value = {"DataType": "String", "StringValue": told or "-"}
        with could_not("tell of a failure"):
            self.sqs.send_message(
                QueueUrl=self.settings.dead_letters,
                MessageBody=body,
                MessageAttributes={ERROR_ATTRIBUTE: value},
            )


def _n_receives(message: dict[str, Any]) -> int:
    """Return how often the queue has given a message."""
    return int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))


def _told(error: Exception) -> dict[str, str]:
    return {"error": str(error)[:MAX_ERROR]}
