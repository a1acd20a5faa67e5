"""JSON files of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cellseg.io.plain_files import known_json, write_json


def test_what_was_written_is_known(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", ["Zähler", 1])
    assert known_json(tmp_path / "a.json") == ["Zähler", 1]


@pytest.mark.parametrize(
    "content",
    [b"", b'{"a": ', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "cut", "no text", "nested without end"],
)
def test_what_is_damaged_or_not_there_is_not_known(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert known_json(tmp_path / "a.json") is None
    assert known_json(tmp_path / "b.json") is None
