"""Where requests lie that are answered later, and where their answers go.

Nothing outside the place that the server was started with is read or written, whatever
a request names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from napari_cellseg.cloud.account.place import address_of
from napari_cellseg.cloud.errors import in_plain_words
from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.core.errors import CellsegError, LimitError, RemoteError
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.s3.address import SCHEME


class Store(Protocol):
    """A folder, here or in S3."""

    def read(self, location: str, max_bytes: int) -> bytes:
        """Return what lies at a location; raises `CellsegError`."""
        ...

    def write(self, name: str, body: bytes, content_type: str) -> None:
        """Put something into the folder; raises `CellsegError`."""
        ...

    def location(self, name: str) -> str:
        """Return the location of a name in the folder."""
        ...


def open_store(root: str) -> Store:
    """Return the store at ``s3://bucket/prefix`` or in a folder.

    Raises
    ------
    RemoteError
        If it is neither.
    """
    if root.startswith(SCHEME):
        return S3Store(root)
    return FolderStore(root)


class S3Store:
    """A folder in a bucket."""

    def __init__(self, root: str) -> None:
        self._root = address_of(root)
        self._client = aws_client("s3", CloudSettings())

    def read(self, location: str, max_bytes: int) -> bytes:
        """Return an object; its size is looked at before."""
        place = address_of(location)
        if not self._root.holds(place):
            raise _outside(location, str(self._root))
        with in_plain_words(f"read {location}"):
            there = self._client.get_object(Bucket=place.bucket, Key=place.key)
            _check_size(there["ContentLength"], max_bytes)
            body: bytes = there["Body"].read()
        return body

    def write(self, name: str, body: bytes, content_type: str) -> None:
        """Put an object."""
        place = self._root.below(name)
        with in_plain_words(f"write {place}"):
            self._client.put_object(
                Bucket=place.bucket, Key=place.key, Body=body, ContentType=content_type
            )

    def location(self, name: str) -> str:
        """Return where an object lies."""
        return str(self._root.below(name))


class FolderStore:
    """A folder of this computer."""

    def __init__(self, root: str) -> None:
        self._root = Path(root).resolve()
        if not self._root.is_dir():
            raise RemoteError(f"{root} is no folder; make it, then start the server.")

    def read(self, location: str, max_bytes: int) -> bytes:
        """Return a file; its size is looked at before."""
        parts = urlsplit(location)
        path = Path(unquote(parts.path)).resolve()
        if parts.scheme != "file" or not path.is_relative_to(self._root):
            raise _outside(location, self._root.as_uri())
        try:
            _check_size(path.stat().st_size, max_bytes)
            return path.read_bytes()
        except OSError as error:
            raise RemoteError(f"There is nothing to read at {location}.") from error

    def write(self, name: str, body: bytes, content_type: str) -> None:  # noqa: ARG002
        """Write a file, whole or not at all; files do not say what they are."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(body)

    def location(self, name: str) -> str:
        """Return where a file lies."""
        return (self._root / name).as_uri()


def _check_size(n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise LimitError(
            f"The request has {n_bytes / 2**20:.0f} MiB; this server takes "
            f"{max_bytes / 2**20:.0f} MiB."
        )


def _outside(location: str, root: str) -> CellsegError:
    return RemoteError(
        f"'{location:.100}' is not in {root}; this server reads from nowhere else."
    )
