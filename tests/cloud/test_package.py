"""``model.tar.gz``: the same bytes each time, and nothing but a model comes out."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_cellseg.cloud.sagemaker.package import pack_model, unpack_model
from napari_cellseg.core.errors import ModelError
from napari_cellseg.io.models.folder import find_model, read_model_spec


def archive(path: Path, *members: tarfile.TarInfo, **texts: bytes) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for member in members:
            file.addfile(member, io.BytesIO(b"x" * member.size))
        for name, text in texts.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            file.addfile(member, io.BytesIO(text))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    made.size = 4 if kind == tarfile.REGTYPE else 0
    return made


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = find_model(None)
    pack_model(folder, tmp_path / "model.tar.gz")
    spec = unpack_model(tmp_path / "model.tar.gz", tmp_path / "out")
    assert spec == read_model_spec(folder)
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / name).read_bytes()


def test_the_same_model_gives_the_same_archive(tmp_path: Path) -> None:
    first, second = tmp_path / "a.tar.gz", tmp_path / "b.tar.gz"
    pack_model(find_model(None), first)
    os.utime(find_model(None) / "model.json", (time.time(), time.time()))
    pack_model(find_model(None), second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("hostile", "words"),
    [
        (member("../model.json"), "a path out of the folder"),
        (member("/etc/model.json"), "a path out of the folder"),
        (member("a/../../model.json"), "a path out of the folder"),
        (member("..\\model.json"), "a path out of the folder"),
        (member("C:model.json"), "a path out of the folder"),
        (member("model.json", tarfile.SYMTYPE, "/etc/passwd"), "a link or a device"),
        (member("model.json", tarfile.LNKTYPE, "x"), "a link or a device"),
        (member("model.json", tarfile.CHRTYPE), "a link or a device"),
        (member("model.json", tarfile.FIFOTYPE), "a link or a device"),
    ],
    ids=[
        "up",
        "absolute",
        "inside",
        "backslash",
        "drive",
        "link",
        "hard",
        "dev",
        "pipe",
    ],
)
def test_what_leads_out_of_the_folder_is_refused(
    tmp_path: Path, hostile: tarfile.TarInfo, words: str
) -> None:
    path = archive(tmp_path / "model.tar.gz", hostile)
    with pytest.raises(ModelError, match=words):
        unpack_model(path, tmp_path / "deep" / "out")
    written = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert written == [path]


def test_other_files_are_not_written(tmp_path: Path) -> None:
    pack_model(find_model(None), tmp_path / "good.tar.gz")
    path = tmp_path / "model.tar.gz"
    with (
        tarfile.open(tmp_path / "good.tar.gz") as good,
        tarfile.open(path, "w:gz") as bad,
    ):
        bad.addfile(member("code/inference.py"), io.BytesIO(b"evil"))
        for each in good:
            bad.addfile(each, good.extractfile(each))
    unpack_model(path, tmp_path / "out")
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]


def huge_part(path: Path) -> None:
    """A header that promises 8 GB."""
    large = tarfile.TarInfo("weights.safetensors")
    large.size = 2**33
    with gzip.open(path, "wb") as file:
        file.write(large.tobuf())
        file.write(b"\0" * 2**20)


def huge_header(path: Path) -> None:
    """300 MB of names of attributes, packed into 300 kB."""
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 300 * 2**20
    with gzip.open(path, "wb", 1) as file:
        file.write(header.tobuf())
        for _ in range(300):
            file.write(b"1" * 2**20)


def many_parts(path: Path) -> None:
    archive(path, *(member(f"part{n}") for n in range(100)))


def no_archive(path: Path) -> None:
    path.write_bytes(b"<html>404")


def cut(path: Path) -> None:
    pack_model(find_model(None), path)
    path.write_bytes(path.read_bytes()[:100_000])


def without_weights(path: Path) -> None:
    archive(path, **{"model.json": (find_model(None) / "model.json").read_bytes()})


def swapped_weights(path: Path) -> None:
    text = (find_model(None) / "model.json").read_bytes()
    archive(path, **{"model.json": text, "weights.safetensors": b"other weights"})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (huge_part, "larger than a model's files"),
        (huge_header, "has a header of"),
        (many_parts, "more than 20 files"),
        (no_archive, "cannot be unpacked"),
        (cut, "cannot be unpacked"),
        (without_weights, "weights.safetensors missing"),
        (swapped_weights, "digest"),
    ],
)
def test_what_is_no_model_is_refused_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "model.tar.gz"
    make(path)
    with pytest.raises(ModelError, match=words):
        unpack_model(path, tmp_path / "out")


def test_what_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        pack_model(tmp_path, tmp_path / "model.tar.gz")
