"""What can be done with objects in S3: look, read a part, list, write."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError, LimitError, SaveError
from napari_cellseg.io.aws import AwsAccount
from napari_cellseg.io.limits import human_bytes
from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.io.s3.client import NotInS3Error, in_s3_words, s3_client

#: A body that breaks off on its way is asked for again so often.
READ_TRIES = 3
#: How a sentence ends where it helps to ask again.
AGAIN = "Try again."
#: So many objects are remembered as they were when they were last looked at.
N_SEEN = 4096


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object as it was when it was looked at.

    Attributes
    ----------
    address : S3Address
    n_bytes : int
        Its size.
    etag : str
        Changes with its content.
    account : AwsAccount or None
        Who reads it; see `s3_client`.
    """

    address: S3Address
    n_bytes: int
    etag: str
    account: AwsAccount | None = None


_seen: OrderedDict[S3Address, S3Object] = OrderedDict()


def seen(address: S3Address) -> S3Object | None:
    """Return an object as it was when this program last looked at it, None if never.

    S3 is not asked: it is what was read, whatever has become of it since.
    """
    return _seen.get(address)


def look_at(address: S3Address, account: AwsAccount | None = None) -> S3Object:
    """Return size and ETag of an object.

    Parameters
    ----------
    address : S3Address
        Of the object.
    account : AwsAccount or None
        Who asks; see `s3_client`.

    Raises
    ------
    NotInS3Error
        If there is none.
    ImageReadError
        If it may not be read, or S3 cannot be reached.
    """
    if not address.key:
        raise NotInS3Error(f"'{address}' is a bucket, not an image in it. Name one.")
    with in_s3_words(f"'{address}'"):
        found = s3_client(account).head_object(Bucket=address.bucket, Key=address.key)
    n_bytes, etag = int(found["ContentLength"]), str(found["ETag"])
    item = S3Object(address, n_bytes, etag, account)
    _seen[address] = item
    _seen.move_to_end(address)
    while len(_seen) > N_SEEN:
        _seen.popitem(last=False)
    return item


def read_span(item: S3Object, start: int, stop: int) -> bytes:
    """Return the bytes from `start` up to `stop` of an object that is still the same.

    Raises
    ------
    ReplacedError
        If it was replaced since.
    ImageReadError
        If they do not arrive.
    """
    if stop <= start:
        return b""
    return _tried(partial(_span_once, item, start, stop))


def _span_once(item: S3Object, start: int, stop: int) -> bytes:
    """Ask for a span once."""
    with in_s3_words(f"'{item.address}'"):
        answer = s3_client(item.account).get_object(
            Bucket=item.address.bucket,
            Key=item.address.key,
            Range=f"bytes={start}-{stop - 1}",
            IfMatch=item.etag,
        )
        # No more than was asked for, whatever the store sends.
        data: bytes = answer["Body"].read(stop - start)
    if len(data) != stop - start:
        raise ImageReadError(f"'{item.address}' did not arrive whole. {AGAIN}")
    return data


def _tried(ask: Callable[[], bytes]) -> bytes:
    """Return what `ask` returns; what broke off on its way is asked for again."""
    for _ in range(READ_TRIES - 1):
        try:
            return ask()
        except ImageReadError as error:
            if not str(error).endswith(AGAIN):
                raise
    return ask()


def read_object(address: S3Address, span: str, max_bytes: int) -> bytes | None:
    """Return an object or a part of it with one request, or None if there is none.

    Parameters
    ----------
    span : str
        As in the header Range, such as ``"bytes=-100"``; "" for all of it.

    Raises
    ------
    LimitError
        If it is larger than `max_bytes`.
    ImageReadError
        If it cannot be read.
    """
    try:
        return _tried(partial(_object_once, address, span, max_bytes))
    except NotInS3Error:
        return None


def _object_once(address: S3Address, span: str, max_bytes: int) -> bytes:
    """Ask for an object once."""
    names = {"Range": span} if span else {}
    with in_s3_words(f"'{address}'"):
        answer = s3_client().get_object(Bucket=address.bucket, Key=address.key, **names)
        n_bytes = int(answer["ContentLength"])
        if n_bytes > max_bytes:
            raise LimitError(
                f"'{address}' has {human_bytes(n_bytes)}; at most "
                f"{human_bytes(max_bytes)} are read at once. Write it in smaller parts."
            )
        data: bytes = answer["Body"].read()
    return data


def list_below(prefix: S3Address, *, deep: bool) -> Iterator[S3Object]:
    """Yield the objects whose keys begin with the key of `prefix`.

    Parameters
    ----------
    prefix : S3Address
        Its key is taken as it is; see `S3Address.as_prefix`.
    deep : bool
        False leaves out what lies in "folders" below it; folders that end in ``.zarr`` are
        given as one object of size 0.
    """
    names = {} if deep else {"Delimiter": "/"}
    with in_s3_words(f"'{prefix}'"):
        pages = (
            s3_client()
            .get_paginator("list_objects_v2")
            .paginate(Bucket=prefix.bucket, Prefix=prefix.key, **names)
        )
        for page in pages:
            for found in page.get("Contents", []):
                address = S3Address(prefix.bucket, found["Key"])
                yield S3Object(address, int(found["Size"]), str(found["ETag"]))
            for folder in page.get("CommonPrefixes", []):
                key = folder["Prefix"].rstrip("/")
                if key.lower().endswith(".zarr"):
                    yield S3Object(S3Address(prefix.bucket, key), 0, "")


def list_written(prefix: S3Address) -> Iterator[tuple[S3Object, datetime]]:
    """Yield every object whose key begins with that of `prefix`, and when it was written.

    Raises
    ------
    ImageReadError
        If it cannot be listed.
    """
    with in_s3_words(f"'{prefix}'"):
        pages = s3_client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=prefix.bucket, Prefix=prefix.key):
            for found in page.get("Contents", []):
                address = S3Address(prefix.bucket, found["Key"])
                item = S3Object(address, int(found["Size"]), str(found["ETag"]))
                yield item, found["LastModified"]


def upload_file(path: Path, address: S3Address) -> None:
    """Write a local file to S3; a large one goes up in parts.

    Raises
    ------
    SaveError
        If it cannot be written there.
    """
    from boto3.exceptions import S3UploadFailedError

    try:
        with in_s3_words(f"'{address}'"):
            s3_client().upload_file(str(path), address.bucket, address.key)
    except (ImageReadError, S3UploadFailedError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SaveError(
            f"'{address}' could not be written: {reason} The results are in '{path.parent}' "
            "meanwhile; check s3:PutObject and the bucket."
        ) from error


def remove_object(address: S3Address) -> None:
    """Remove an object; one that is not there is no error.

    Raises
    ------
    SaveError
        If it cannot be removed.
    """
    try:
        with in_s3_words(f"'{address}'"):
            s3_client().delete_object(Bucket=address.bucket, Key=address.key)
    except ImageReadError as error:
        raise SaveError(
            f"'{address}' is of an earlier run and could not be removed: {error} Check "
            "s3:DeleteObject, or choose another place."
        ) from error
