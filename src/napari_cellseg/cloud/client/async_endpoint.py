"""A line to an endpoint that works through S3: large images, and one that may rest.

The image is put into the bucket, the endpoint is told where, and its answer is waited for
there. It may rest at no cost while nobody asks; it takes minutes to start then.
"""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

from napari_cellseg.cloud.account.place import address_of
from napari_cellseg.cloud.client.endpoint import checked_name
from napari_cellseg.cloud.client.line import About, about_of
from napari_cellseg.cloud.errors import CloudError, in_plain_words
from napari_cellseg.cloud.limits import LIMITS, MAX_ANSWER_BYTES
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.cloud.wire.envelope import JSON_TYPE, Message
from napari_cellseg.cloud.wire.parts import decode_json, encode_info
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.io.aws import RUNTIME, S3
from napari_cellseg.io.s3.address import S3Address

#: Between two looks into the bucket; longer and longer, as each look is a request.
LOOK_SECONDS = (0.2, 0.5, 1.0, 1.0, 2.0, 2.0, 5.0)
#: The longest that an answer is waited for: a start, and the hour that a model may take.
LONGEST_SECONDS = 75 * 60.0
#: The same for the question what it is, where it is awake.
ABOUT_SECONDS = 60.0
#: It is not there yet; without leave to list the bucket, S3 says "forbidden" instead.
NOT_YET = {"NoSuchKey", "404", "AccessDenied", "403"}
BEAT_SECONDS = 0.2


class AsyncLine:
    """Asks an endpoint through S3; see `Line`.

    Parameters
    ----------
    endpoint : str
        Name of the endpoint.
    settings : CloudSettings
        Account and region.
    output : str
        Where it puts its answers, such as ``"s3://bucket/cellseg/output"``. Images are
        put into the folder ``input`` beside it.
    is_awake : bool
        False if no instance runs; it is not woken by a mere question then.

    Raises
    ------
    RemoteError
        If name or place are none, or AWS cannot be spoken to.
    """

    def __init__(
        self,
        endpoint: str,
        settings: CloudSettings,
        output: str,
        *,
        is_awake: bool = True,
    ) -> None:
        self._endpoint = checked_name(endpoint)
        self._profile = settings.aws.profile
        self._input = address_of(output).beside("input")
        self._is_awake = is_awake
        self.name = f"the endpoint '{endpoint}'"
        self.max_bytes = LIMITS["async"].body_bytes
        self._client = aws_client(RUNTIME, settings)
        self._s3 = aws_client(S3, settings)

    def about(self) -> About:
        """Ask the container what it is, unless it rests."""
        if not self._is_awake:
            return About("", f"{self._endpoint} · at rest", answers_parts=False)
        until = time.monotonic() + ABOUT_SECONDS

        def check(_progress: Progress) -> None:
            if time.monotonic() > until:
                raise RemoteError(
                    f"{self.name} has not said what it is for {ABOUT_SECONDS:.0f} s. It "
                    "may be starting; connect again in some minutes."
                )

        answer = self.ask(encode_info(), JSON_TYPE, check)
        info = decode_json(answer, "model", "device")
        return about_of(info, self._endpoint, answers_parts=False)

    def ask(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Return the answer to a request; what was put into the bucket is removed."""
        number = uuid.uuid4().hex
        source = self._input.below(f"{number}.bin")
        doing = f"use {self.name} through {source.bucket}"
        left = [source]
        try:
            with in_plain_words(doing, self._profile):
                self._put(source, message, on_progress)
                told = self._client.invoke_endpoint_async(
                    EndpointName=self._endpoint,
                    ContentType=message.content_type,
                    Accept=accept,
                    CustomAttributes=message.attributes,
                    InputLocation=str(source),
                    InferenceId=number,
                    InvocationTimeoutSeconds=int(LIMITS["async"].seconds),
                )
            answer, failure = told["OutputLocation"], told.get("FailureLocation", "")
            left.append(address_of(answer))
            if failure:
                left.append(address_of(failure))
            return self._waited_for(answer, failure, on_progress)
        finally:
            self._remove(left)

    def _put(
        self,
        place: S3Address,
        message: Message,
        on_progress: Callable[[Progress], None],
    ) -> None:
        """Put a request into the bucket, in parts where it is large."""
        from boto3.s3.transfer import TransferConfig

        total = len(message.body) / 2**20
        sent = 0

        def count(n_bytes: int) -> None:
            nonlocal sent
            sent += n_bytes
            words = f"sending {sent / 2**20:.1f} of {total:.1f} MiB to {place.bucket}"
            on_progress(Progress(0, 0, words))

        self._s3.upload_fileobj(
            io.BytesIO(message.body),
            place.bucket,
            place.key,
            ExtraArgs={"ContentType": message.content_type},
            Callback=count,
            # In this thread, so that a cancel stops it.
            Config=TransferConfig(use_threads=False),
        )

    def _waited_for(
        self, answer: str, failure: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Look for answer and failure until one of them is there."""
        started = time.monotonic()
        n_looks = 0
        while (seconds := time.monotonic() - started) < LONGEST_SECONDS:
            found = self._found(answer)
            if found is not None:
                return found
            fault = self._found(failure) if failure else None
            if fault is not None:
                raise CloudError(_fault_words(self.name, fault.body), "ModelError")
            until = time.monotonic() + LOOK_SECONDS[min(n_looks, len(LOOK_SECONDS) - 1)]
            n_looks += 1
            while time.monotonic() < until:
                on_progress(Progress(0, 0, self._words(seconds)))
                time.sleep(BEAT_SECONDS)
        raise CloudError(
            f"{self.name} has not answered for {LONGEST_SECONDS / 60:.0f} min. Look at "
            "its log in CloudWatch; 'cellseg cloud status' says whether it runs.",
            "Late",
        )

    def _words(self, seconds: float) -> str:
        rest = "" if self._is_awake else "; it was at rest and takes minutes to start"
        return f"waiting for {self.name} · {seconds:.0f} s{rest}"

    def _found(self, location: str) -> Message | None:
        """Return what lies at a place, or None if nothing does yet."""
        place = address_of(location)
        try:
            with in_plain_words(f"read {location}", self._profile):
                there = self._s3.get_object(Bucket=place.bucket, Key=place.key)
                if there["ContentLength"] > MAX_ANSWER_BYTES:
                    raise RemoteError(
                        f"The answer at {location} is too large to be one."
                    )
                body = there["Body"].read()
        except CloudError as error:
            if error.code in NOT_YET:
                return None
            raise
        return Message(body, there.get("ContentType", "").split(";")[0].strip())

    def _remove(self, places: list[S3Address]) -> None:
        """Remove what is not needed any more; an image that waits is then not worked on."""
        for place in places:
            try:
                with in_plain_words("tidy up", self._profile):
                    self._s3.delete_object(Bucket=place.bucket, Key=place.key)
            except CloudError:
                # The bucket's own rules remove it later.
                continue

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._s3.close()


def _fault_words(name: str, body: bytes) -> str:
    """Return what the container said where it failed."""
    text = body[:1000].decode("utf-8", "replace").strip()
    with suppress(ValueError, KeyError, TypeError):
        text = str(json.loads(body)["error"])
    return f"{name} failed: {text[:400] or 'it said nothing; its log says more'}"
