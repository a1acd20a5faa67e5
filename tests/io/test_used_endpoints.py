"""The list of endpoints that were used: windows share it."""

import threading
import time
from pathlib import Path

import pytest

from napari_cellseg.io import used_endpoints
from napari_cellseg.io.used_endpoints import UsedEndpoint, forget, remember


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "endpoints.json"
    monkeypatch.setattr(used_endpoints, "used_file", lambda: path)
    return path


def names() -> set[str]:
    return {one.name for one in used_endpoints.used_endpoints()}


def test_two_windows_that_write_at_once_lose_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    remember(UsedEndpoint("old"))
    write = used_endpoints._write

    def write_late(endpoints: object) -> None:
        time.sleep(0.2)
        write(endpoints)  # type: ignore[arg-type]

    monkeypatch.setattr(used_endpoints, "_write", write_late)
    windows = [
        threading.Thread(target=remember, args=(UsedEndpoint("one"),)),
        threading.Thread(target=remember, args=(UsedEndpoint("two"),)),
        threading.Thread(target=forget, args=([UsedEndpoint("old")],)),
    ]
    for window in windows:
        window.start()
    for window in windows:
        window.join()
    assert names() == {"one", "two"}


def test_where_no_lock_can_be_had_it_is_remembered_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(used_endpoints.FileLock, "acquire", refuse)
    remember(UsedEndpoint("one"))
    assert names() == {"one"}
