"""Tiles handed out to workers that fail, die and go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from napari_cellseg.core.errors import OptionsError, SegmentationError
from napari_cellseg.slides.workers import do_here, do_with_dask


class Tiles:
    """Work that leaves a file a tile; some tiles fail, some kill their worker."""

    def __init__(self, folder: Path, fail: int = -1, kill: int = -1) -> None:
        self.folder, self.fail, self.kill = folder, fail, kill

    def __call__(self, number: int) -> int:
        if number == self.fail:
            raise SegmentationError("no cells can be found")
        if number == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / str(number)).touch()
        return 10 * number


def test_here_a_tile_that_fails_is_told_of_and_the_others_done(tmp_path: Path) -> None:
    news = dict(do_here(Tiles(tmp_path, fail=1), [0, 1, 2]))

    assert news[0] == 0
    assert news[2] == 20
    assert isinstance(news[1], SegmentationError)


def test_dask_does_all_tiles_though_one_fails(tmp_path: Path) -> None:
    pytest.importorskip("distributed")

    news = dict(do_with_dask(Tiles(tmp_path, fail=3), range(8), n_workers=2))

    assert isinstance(news.pop(3), SegmentationError)
    assert news == {n: 10 * n for n in range(8) if n != 3}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_dask_does_all_other_tiles_though_one_kills_its_workers(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")

    news = dict(do_with_dask(Tiles(tmp_path, kill=2), range(6), n_workers=2))

    assert isinstance(news.pop(2), distributed.KilledWorker)
    assert news == {n: 10 * n for n in range(6) if n != 2}


def test_a_scheduler_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("napari_cellseg.slides.workers.WAIT_SECONDS", "1s")
    address = "tcp://127.0.0.1:9"

    with pytest.raises(OptionsError, match="No Dask scheduler answers"):
        list(do_with_dask(Tiles(tmp_path), [0], n_workers=1, address=address))


class Refuses:
    """A check that fails in every worker."""

    def __call__(self) -> None:
        raise OptionsError("It has another model.")


def test_a_worker_that_would_do_other_tiles_is_named_before_the_first(
    tmp_path: Path,
) -> None:
    pytest.importorskip("distributed")
    news = do_with_dask(Tiles(tmp_path), [0, 1], n_workers=2, check=Refuses())

    with pytest.raises(
        OptionsError, match=r"worker tcp://.* \(as 1 others\) .* another model"
    ):
        list(news)

    assert list(tmp_path.iterdir()) == []


def test_a_scheduler_without_workers_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr("napari_cellseg.slides.workers.WAIT_SECONDS", "1s")
    with distributed.LocalCluster(
        n_workers=0, processes=False, dashboard_address=None
    ) as cluster:
        news = do_with_dask(
            Tiles(tmp_path), [0], n_workers=1, address=cluster.scheduler_address
        )

        with pytest.raises(OptionsError, match="has no worker"):
            list(news)
