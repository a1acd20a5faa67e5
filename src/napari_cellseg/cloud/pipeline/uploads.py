"""From a message of the queue to the objects that it speaks of.

A message is a text of somebody else: whoever may write to the queue could name any
bucket. Only ours is acted on, and only below its input.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from napari_cellseg.cloud.pipeline.contract import (
    ANSWER_SUFFIX,
    PARTS,
    STACK_PARTS,
    PipelineSettings,
    RefusedError,
)

MAX_KEY_BYTES = 1024
#: Records of one message; S3 sends one, and a flood is none of S3's.
MAX_RECORDS = 100
#: What reading JSON of somebody else may raise; deep nesting is a RecursionError.
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
#: Control signs, ends of lines, and what is no Unicode text.
UNSHOWN = ("Cc", "Cs", "Zl", "Zp")
#: Signs that have the rest of a name shown backwards, so that it seems to end otherwise.
TURNING = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
LONGEST_PART = max(len(f"_{part}") for part in (*PARTS, *STACK_PARTS))


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that was written.

    Attributes
    ----------
    key : str
        As S3 keeps it, not URL-encoded.
    is_answer : bool
        True for what an asynchronous endpoint wrote, False for an image.
    record : dict
        What S3 said, to be passed on if it fails.
    """

    key: str
    is_answer: bool
    record: dict[str, Any]


def records_of(body: str) -> list[dict[str, Any]]:
    """Return the records of a message; none for S3's test of a new notification.

    Raises
    ------
    RefusedError
        If it is no notification of S3.
    """
    try:
        values = json.loads(body)
        if values.get("Event") == "s3:TestEvent":
            return []
        records = values["Records"]
        known = all(
            record["eventSource"] == "aws:s3"
            and str(record["eventVersion"]).split(".")[0] == "2"
            and isinstance(record["s3"]["object"]["key"], str)
            and isinstance(record["s3"]["bucket"]["name"], str)
            for record in records
        )
    except MALFORMED as error:
        raise RefusedError(
            f"The message is no notification of S3 ({type(error).__name__}); nothing was "
            "done with it."
        ) from error
    if not known or len(records) > MAX_RECORDS:
        raise RefusedError(
            f"The message holds {len(records)} records, not all of which S3 writes; nothing "
            "was done with it."
        )
    return list(records)


def upload_of(record: dict[str, Any], settings: PipelineSettings) -> Upload | None:
    """Return the object that a record speaks of, None if it is none of the pipeline's.

    Raises
    ------
    RefusedError
        If it names another bucket, or a key that no image here may have.
    """
    name = str(record.get("eventName", ""))
    if "ObjectCreated:" not in name:
        return None
    bucket = record["s3"]["bucket"]["name"]
    if bucket != settings.bucket:
        raise RefusedError(
            f"The message names the bucket {bucket[:80]!r}; only {settings.bucket!r} is "
            "read here."
        )
    key = unquote_plus(record["s3"]["object"]["key"], errors="surrogateescape")
    if key.startswith(settings.answer_prefixes):
        if not key.endswith(ANSWER_SUFFIX):
            return None
        return Upload(checked_key(key), True, record)
    # Never what this pipeline wrote itself: that would go on for ever.
    if not key.startswith(settings.input_prefix) or key.endswith("/"):
        return None
    output_key(checked_key(key), "", settings)
    return Upload(key, False, record)


def checked_key(key: str) -> str:
    """Return a key, or raise `RefusedError` if programs could take it for another path."""
    parts = key.split("/")
    is_bad = ".." in parts or "." in parts or key.startswith("/") or "\\" in key
    if is_bad or any(_is_unshown(sign) for sign in key):
        raise RefusedError(
            f"The key {key[:120]!r} holds '..', a backslash or control signs; "
            "give the image a plain name."
        )
    return key


def _is_unshown(sign: str) -> bool:
    """Say whether a sign is not seen, or turns those beside it round."""
    return (
        unicodedata.category(sign) in UNSHOWN
        or unicodedata.bidirectional(sign) in TURNING
    )


def output_key(key: str, part: str, settings: PipelineSettings) -> str:
    """Return where a part of the result of an image goes.

    The whole name of the image stays in it, so that ``a.tif`` and ``a.png`` keep apart.

    Raises
    ------
    RefusedError
        If S3 takes no key so long.
    """
    below = key[len(settings.input_prefix) :]
    stem = f"{settings.output_prefix}{below}"
    if len(stem.encode()) + LONGEST_PART > MAX_KEY_BYTES:
        raise RefusedError(
            f"The key {key[:60]!r}... is too long for the names of its results; S3 takes "
            f"{MAX_KEY_BYTES} bytes. Give the image a shorter name."
        )
    return f"{stem}_{part}"
