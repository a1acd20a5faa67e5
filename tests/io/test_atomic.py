"""Files appear whole or not at all, whatever goes wrong in between."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_cellseg.core.errors import DiskFullError, SaveError
from napari_cellseg.core.jobs import run
from napari_cellseg.io import atomic
from napari_cellseg.io.atomic import make_folder, replacing

OLD = b"the old file"
NEW = b"the new file, which is longer"
needs_posix = pytest.mark.skipif(
    os.name == "nt", reason="needs POSIX signals and limits"
)
needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="there is no /dev/full here"
)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return a file that is there already, alone in its folder."""
    path = tmp_path / "cells.tif"
    path.write_bytes(OLD)
    return path


def save(path: Path, content: bytes = NEW) -> None:
    """Save as the writers do."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def save_half(path: Path, error: BaseException) -> None:
    """Stop in the middle of saving."""
    with replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error


def failing(number: int) -> Callable[..., None]:
    """Return a function that fails as the operating system does."""

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def assert_untouched(target: Path) -> None:
    """Check that the old file is there, whole, and nothing else."""
    assert target.read_bytes() == OLD
    assert list(target.parent.iterdir()) == [target]


def run_child(code: str, target: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh interpreter; `target` is its argument."""
    return subprocess.run(
        [sys.executable, "-c", code, str(target)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ------------------------------------------------------------------------- what works


def test_a_new_file_is_written(tmp_path: Path) -> None:
    save(tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_bytes() == NEW
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_an_old_file_is_replaced(target: Path) -> None:
    save(target)
    assert target.read_bytes() == NEW
    assert list(target.parent.iterdir()) == [target]


def test_a_path_may_be_a_string(target: Path) -> None:
    with replacing(str(target)) as temporary:
        temporary.write_bytes(NEW)
    assert target.read_bytes() == NEW


def test_the_old_file_is_there_until_the_block_ends(target: Path) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(NEW)
        assert target.read_bytes() == OLD
        assert temporary.parent == target.parent


@pytest.mark.parametrize(
    "name", ["a.ome.tif", "Zellkörper – 細胞 µm.csv", "=1+1.csv", "x"]
)
def test_the_temporary_name_ends_as_the_file_does(tmp_path: Path, name: str) -> None:
    with replacing(tmp_path / name) as temporary:
        temporary.write_bytes(NEW)
        assert temporary.name.endswith(name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    "letter", ["a", "é", "細", "🔬"], ids=["1", "2", "3", "4 bytes"]
)
def test_the_longest_name_that_the_disk_takes_can_be_saved(
    tmp_path: Path, letter: str
) -> None:
    name = letter * (251 // len(letter.encode())) + ".tif"
    save(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@needs_posix
def test_the_rights_of_the_old_file_are_kept(target: Path) -> None:
    target.chmod(0o640)
    save(target)
    assert target.stat().st_mode & 0o777 == 0o640


@needs_posix
def test_a_new_file_has_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    save(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "any").stat().st_mode


@needs_posix
def test_a_link_stays_a_link(target: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.tif"
    link.symlink_to(target)
    save(link)
    assert link.is_symlink()
    assert target.read_bytes() == NEW


def test_two_at_once_do_not_mix(target: Path) -> None:
    with replacing(target) as first, replacing(target) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert target.read_bytes() == b"first"  # it is replaced last
    assert list(target.parent.iterdir()) == [target]


# ---------------------------------------------------------------------- what goes wrong


def test_an_error_in_the_block_is_passed_on(target: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        save_half(target, ZeroDivisionError())
    assert_untouched(target)


def test_an_interrupt_leaves_nothing(target: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        save_half(target, KeyboardInterrupt())
    assert_untouched(target)


def test_nothing_written_does_not_empty_the_file(target: Path) -> None:
    with pytest.raises(SaveError, match="nothing was written"), replacing(target):
        pass
    assert_untouched(target)


@needs_full_device
def test_a_full_device_says_that_the_disk_is_full(target: Path) -> None:
    with pytest.raises(DiskFullError, match="disk is full"), replacing(target):
        Path("/dev/full").write_bytes(b"the rest")
    assert_untouched(target)


LIMITED = """
import resource, sys
from napari_cellseg.core.errors import DiskFullError, SaveError
from napari_cellseg.io.atomic import make_folder, replacing
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    with replacing(sys.argv[1]) as temporary:
        temporary.write_bytes(bytes(1_000_000))
except SaveError as error:
    print(error)
"""


@needs_posix
def test_a_file_larger_than_allowed_leaves_the_old_one(target: Path) -> None:
    child = run_child(LIMITED, target)
    assert child.returncode == 0, child.stderr
    assert f"'{target}' could not be written: the file would be larger" in child.stdout
    assert_untouched(target)


def test_a_writer_that_gives_no_reason_on_a_full_disk(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        atomic.shutil, "disk_usage", lambda _: SimpleNamespace(free=4096)
    )
    with pytest.raises(DiskFullError, match="disk is full"), replacing(target):
        raise OSError("1048576 requested and 8192 written")
    assert_untouched(target)


def test_a_writer_that_gives_no_reason_elsewhere_is_quoted(target: Path) -> None:
    with pytest.raises(SaveError, match="8192 written"), replacing(target):
        raise OSError("1048576 requested and 8192 written")
    assert_untouched(target)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "not allowed"),
        (errno.EROFS, "can only be read"),
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_a_folder_that_cannot_be_written_to_is_named_before_the_work(
    target: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    monkeypatch.setattr(atomic.os, "open", failing(number))
    with pytest.raises(SaveError, match=reason) as caught, replacing(target):
        pytest.fail("the block must not be entered")
    assert str(target) in str(caught.value)
    assert_untouched(target)


def test_a_write_protected_file_is_not_replaced(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic.os, "access", lambda *_: False)
    with pytest.raises(SaveError, match="not allowed"):
        save(target)
    assert_untouched(target)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_sync_is_a_failed_save(
    target: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(atomic.os, "fsync", failing(number))
    with pytest.raises(SaveError, match="disk"):
        save(target)
    assert_untouched(target)


def test_a_disk_that_cannot_sync_is_written_to_all_the_same(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic.os, "fsync", failing(errno.EINVAL))
    save(target)
    assert target.read_bytes() == NEW


def test_file_and_folder_are_both_synced(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = []
    monkeypatch.setattr(
        atomic.os, "fsync", lambda _: contents.append(target.read_bytes())
    )
    save(target)
    assert contents[0] == OLD
    assert contents[1:] == [NEW] * (os.name != "nt")


def test_a_lock_that_goes_away_is_waited_for(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, tries = Path.replace, [failing(errno.EACCES), failing(errno.EACCES)]
    waits: list[float] = []
    monkeypatch.setattr(atomic.time, "sleep", waits.append)
    monkeypatch.setattr(
        Path, "replace", lambda *names: (tries.pop() if tries else replace)(*names)
    )
    save(target)
    assert target.read_bytes() == NEW
    assert waits == [0.05, 0.1]


def test_a_lock_that_stays_ends_in_a_sentence(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(atomic.time, "sleep", waits.append)
    monkeypatch.setattr(Path, "replace", failing(errno.EACCES))
    with pytest.raises(SaveError, match="not allowed"):
        save(target)
    assert len(waits) == 5
    assert_untouched(target)


@pytest.mark.parametrize("winerror", [5, 32])
def test_a_file_that_a_spreadsheet_holds_open_on_windows_is_said_to_be_open(
    target: Path, monkeypatch: pytest.MonkeyPatch, winerror: int
) -> None:
    def refuse(*_: object) -> None:
        error = PermissionError(errno.EACCES, "Access is denied")
        error.winerror = winerror  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr(atomic, "REPLACE_WAITS", ())
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(SaveError, match="another program holds it open"):
        save(target)
    assert_untouched(target)


def test_a_missing_source_is_not_taken_for_a_missing_folder(target: Path) -> None:
    missing = target.with_name("missing.nd2")
    with pytest.raises(SaveError, match=r"missing\.nd2"), replacing(target):
        missing.read_bytes()
    assert_untouched(target)


# -------------------------------------------------------------- paths that are no files


def test_a_folder_cannot_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="is a folder"):
        save(tmp_path)


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="folder does not exist"):
        save(tmp_path / "missing" / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder(target: Path) -> None:
    with pytest.raises(SaveError, match="no folder"):
        save(target / "a.csv")
    assert_untouched(target)


def test_a_name_that_is_too_long_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="name is too long"):
        save(tmp_path / ("a" * 300))


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="no file can have this path"):
        save(Path(f"{tmp_path}/a\0b"))


@needs_posix
def test_a_device_is_not_replaced_by_a_file() -> None:
    with pytest.raises(SaveError, match="no ordinary file"):
        save(Path(os.devnull))
    assert not Path(os.devnull).is_file()


# ------------------------------------------------------------------------------ killed

KILLED = """
import os, pathlib, signal, sys
from napari_cellseg.io import atomic
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
{patch}
with atomic.replacing(sys.argv[1]) as temporary:
    temporary.write_bytes(b"the new file, which is longer")
    {inside}
"""


@needs_posix
@pytest.mark.parametrize(
    ("patch", "inside"),
    [
        pytest.param("", "die()", id="while writing"),
        pytest.param("os.fsync = die", "", id="before the sync"),
        pytest.param("pathlib.Path.replace = die", "", id="before the replacing"),
    ],
)
def test_a_kill_leaves_the_old_file_and_the_next_save_cleans_up(
    target: Path, patch: str, inside: str
) -> None:
    child = run_child(KILLED.format(patch=patch, inside=inside), target)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert target.read_bytes() == OLD
    (leftover,) = set(target.parent.iterdir()) - {target}
    long_ago = time.time() - 2 * atomic.LEFTOVER_SECONDS
    os.utime(leftover, (long_ago, long_ago))
    save(target)
    assert target.read_bytes() == NEW
    assert list(target.parent.iterdir()) == [target]


@needs_posix
def test_a_kill_after_the_replacing_leaves_the_new_file(target: Path) -> None:
    child = run_child(
        KILLED.format(patch="atomic.sync_folder = die", inside=""), target
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert target.read_bytes() == NEW
    assert list(target.parent.iterdir()) == [target]


def test_what_another_program_is_writing_is_not_removed(target: Path) -> None:
    with replacing(target) as theirs:
        theirs.write_bytes(b"theirs")
        save(target)
        assert theirs.read_bytes() == b"theirs"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")

    with pytest.raises(SaveError, match="it is a file"):
        make_folder(tmp_path / "taken")
    with pytest.raises(SaveError, match="no folder"):
        make_folder(tmp_path / "taken" / "below")


def test_files_that_are_not_synced_one_by_one_are_synced_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(atomic, "sync_file", partial(_note_name, synced))
    for name in ("b.tif", "a.tif"):
        with atomic.replacing(tmp_path / name, is_synced=False) as new:
            new.write_bytes(b"x")
    assert synced == []

    run(atomic.sync_files(tmp_path))

    assert synced == ["a.tif", "b.tif"]


def _note_name(names: list[str], path: Path) -> None:
    names.append(path.name)


def test_a_disk_that_turns_out_full_while_syncing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.tif").write_bytes(b"x")

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(atomic, "sync_file", full)
    with pytest.raises(DiskFullError, match=r"a\.tif.*disk is full"):
        run(atomic.sync_files(tmp_path))
