"""A model as SageMaker takes and gives it: ``model.tar.gz``, two files and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.model_spec import ModelSpec
from napari_cellseg.io.atomic import replacing
from napari_cellseg.io.models.folder import SPEC_NAME, WEIGHTS_NAME, read_model_spec
from napari_cellseg.io.models.store import MAX_PART_BYTES

ARCHIVE_NAME = "model.tar.gz"
PARTS = (SPEC_NAME, WEIGHTS_NAME)
#: What of a training is to be looked at.
REPORT_SUFFIXES = (".csv", ".svg", ".png", ".json")
MAX_MEMBERS = 20
#: Headers of a tar file are read in one piece; no honest one is larger.
MAX_READ_BYTES = 2**20
#: Weights hardly shrink; more effort only costs time.
COMPRESSION = 1
CHUNK_BYTES = 2**16


def pack_model(folder: Path, out: Path) -> None:
    """Write a model folder as ``model.tar.gz``; the same model gives the same bytes.

    Raises
    ------
    ModelError
        If the folder holds no model.
    SaveError
        If the archive cannot be written.
    """
    read_model_spec(folder)  # says so if there is none
    if not (folder / WEIGHTS_NAME).is_file():
        raise ModelError(
            f"There is no '{WEIGHTS_NAME}' in '{folder}'; choose a complete model folder."
        )
    with (
        replacing(out) as temporary,
        temporary.open("wb") as file,
        # No time and no name in the header, so that equal models give equal archives.
        gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in PARTS:
            member = tarfile.TarInfo(name)
            member.size = (folder / name).stat().st_size
            member.mode = 0o644
            with (folder / name).open("rb") as part:
                archive.addfile(member, part)


def unpack_model(archive: Path, folder: Path) -> ModelSpec:
    """Write the two files of a model from a ``model.tar.gz`` into a folder.

    Nothing else is ever written, and nothing outside of `folder`.

    Raises
    ------
    ModelError
        If it is no archive, holds no model, or holds what no model has: a path out of
        the folder, a link, a device, or more bytes than a model can have.
    """
    found = _unpack(archive, folder, PARTS.__contains__)
    if missing := sorted(set(PARTS) - set(found)):
        raise ModelError(
            f"'{archive}' holds no model: {' and '.join(missing)} missing. Choose the "
            "model.tar.gz of one of our training jobs."
        )
    spec = read_model_spec(folder)
    with (folder / WEIGHTS_NAME).open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != spec.weights_sha256:
        raise ModelError(
            f"The weights in '{archive}' have the digest {digest[:12]}…, their "
            f"description says {spec.weights_sha256[:12]}…; download it again."
        )
    return spec


def unpack_report(archive: Path, folder: Path) -> list[Path]:
    """Write curve, figures and pictures from a job's ``output.tar.gz`` into a folder.

    Raises
    ------
    ModelError
        As `unpack_model` does for what no job of ours leaves.
    """
    return [folder / name for name in _unpack(archive, folder, _is_report)]


def _is_report(name: str) -> bool:
    path = PurePosixPath(name)
    return len(path.parts) == 1 and path.suffix in REPORT_SUFFIXES


def _unpack(archive: Path, folder: Path, is_wanted: Callable[[str], bool]) -> list[str]:
    """Write the wanted files of an archive, and return their names."""
    found = []
    with _opened(archive) as members:
        folder.mkdir(parents=True, exist_ok=True)
        for n_members, (name, part) in enumerate(members, 1):
            if n_members > MAX_MEMBERS:
                raise ModelError(
                    f"'{archive}' holds more than {MAX_MEMBERS} files; none of ours has. "
                    "It was not unpacked further."
                )
            if is_wanted(name):
                found.append(name)
                _write(part, folder / name)
    return found


def _write(part: IO[bytes], path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        while chunk := part.read(CHUNK_BYTES):
            file.write(chunk)


class _Guarded(io.RawIOBase):
    """A stream of which no one reads more at once than an honest archive asks for."""

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream, self._path = stream, path

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        if not 0 <= size <= MAX_READ_BYTES:
            raise ModelError(
                f"'{self._path}' has a header of {size} bytes; no model has. It was not "
                "unpacked."
            )
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Give the files of an archive, by name; what is no plain file is refused."""
    try:
        with gzip.open(path, "rb") as unpacked:
            guarded = cast("IO[bytes]", _Guarded(unpacked, path))
            with tarfile.open(fileobj=guarded, mode="r:") as archive:
                yield _members(archive, path)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ModelError(
            f"'{path}' cannot be unpacked ({error}). Choose a model.tar.gz, or download "
            "it again."
        ) from error


def _members(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive:
        name = _checked_name(member, path)
        if member.isdir():
            continue
        part = archive.extractfile(member) if member.isfile() else None
        if part is None:
            raise ModelError(
                f"'{path}' holds '{member.name}', which is a link or a device; a model "
                "has plain files only. It was not unpacked."
            )
        if member.size > MAX_PART_BYTES:
            raise ModelError(
                f"'{path}': '{member.name}' is larger than a model's files can be "
                f"({member.size} bytes). It was not unpacked."
            )
        with part:
            yield name, part


def _checked_name(member: tarfile.TarInfo, path: Path) -> str:
    """Return the name of a member, relative to the folder; refuse one that leads out."""
    pure = PurePosixPath(member.name)
    is_out = pure.is_absolute() or ".." in pure.parts or "\\" in member.name
    if is_out or ":" in member.name:
        raise ModelError(
            f"'{path}' holds '{member.name}', a path out of the folder. It was not "
            "unpacked."
        )
    return str(pure)
