"""Addresses such as ``s3://plates/run 7/A01.tif``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from napari_cellseg.core.errors import ImageReadError

SCHEME = "s3://"
MAX_KEY_BYTES = 1024
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]")
#: Names that no file system of ours takes, and how long a name may be in bytes.
FORBIDDEN_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
MAX_NAME_BYTES = 200


@dataclass(frozen=True, slots=True, order=True)
class S3Address:
    """An object, or all objects below a prefix.

    Attributes
    ----------
    bucket : str
        Its name.
    key : str
        As S3 keeps it, not URL-encoded; "" for the whole bucket.
    """

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rstrip("/").rsplit("/", 1)[-1] or self.bucket

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending of the name, with its point."""
        return PurePosixPath(self.name).suffix

    @property
    def folder_name(self) -> str:
        """The last part of the key but one, or the bucket."""
        parts = self.key.rstrip("/").split("/")
        return parts[-2] if len(parts) > 1 and parts[-2] else self.bucket

    @property
    def as_prefix(self) -> str:
        """The key as the beginning of the keys below it."""
        return self.key if not self.key or self.key.endswith("/") else f"{self.key}/"

    def below(self, name: str) -> S3Address:
        """Return the address of `name` below this one."""
        return S3Address(self.bucket, self.as_prefix + name)

    def beside(self, name: str) -> S3Address:
        """Return the address of the folder of another name beside this one."""
        parent = self.key.rstrip("/").rpartition("/")[0]
        return S3Address(self.bucket, parent).below(name)

    def holds(self, other: S3Address) -> bool:
        """Say whether another address lies in this folder."""
        return self.bucket == other.bucket and other.key.startswith(self.as_prefix)


def is_s3_address(text: object) -> bool:
    """Say whether a text is meant as an address in S3."""
    return isinstance(text, str) and text[: len(SCHEME)].lower() == SCHEME


def parse_s3_address(text: str) -> S3Address:
    """Return the address that a text stands for.

    Raises
    ------
    ImageReadError
        If it is none, or names what S3 cannot hold.
    """
    bucket, _, key = text[len(SCHEME) :].partition("/")
    if not is_s3_address(text) or not BUCKET_NAME.fullmatch(bucket):
        raise ImageReadError(
            f"'{_shown(text)}' is no address in S3; one such as s3://bucket/folder/image.tif "
            "is expected (a bucket has 3 to 63 small letters, digits, points or dashes)."
        )
    if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise ImageReadError(
            f"The key of '{_shown(text)}' is longer than the {MAX_KEY_BYTES} bytes that S3 "
            "takes. Check the address."
        )
    try:
        key.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ImageReadError(
            f"The key of '{_shown(text)}' is no Unicode text. Check the address."
        ) from error
    return S3Address(bucket, key)


def file_name_of(address: S3Address) -> str:
    """Return a name for a local copy, whatever the key holds: one part, no ``..``."""
    name = FORBIDDEN_IN_NAMES.sub("_", address.name).rstrip(". ")
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    room = MAX_NAME_BYTES - len(suffix.encode())
    return (stem.encode()[:room].decode("utf-8", "ignore") + suffix) or "image"


def _shown(text: str) -> str:
    """Return a text that can stand in a sentence."""
    plain = "".join(letter if letter.isprintable() else "·" for letter in text)
    return plain if len(plain) <= 80 else f"{plain[:77]}..."
