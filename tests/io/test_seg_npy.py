"""Cellpose's _seg.npy: the same cells come back, and no program runs."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest

from napari_cellseg.core.errors import CellsegError, ImageReadError, LabelsError
from napari_cellseg.io.exchange.cells import Cells
from napari_cellseg.io.exchange.seg_npy import read_seg_npy, write_seg_npy

LABELS = np.zeros((8, 9), np.int32)
LABELS[1:4, 1:4] = 1
LABELS[4:7, 3:8] = 2


def saved(path: Path, content: Any) -> Path:
    """Save as Cellpose does."""
    np.save(path, content)
    return path


def with_pickle(path: Path, pickled: bytes) -> Path:
    """Write a npy file of one object with a pickle of our own."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    path.write_bytes(head.getvalue() + pickled)
    return path


class Runs:
    """What an attacker would pickle."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint8, ">i4", np.int64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_cellpose_writes_is_read(tmp_path: Path, dtype: Any, order: str) -> None:
    content = {
        "filename": PosixPath("/data/a.tif"),
        "masks": np.array(LABELS, dtype, order=order),
        "outlines": np.array([[1, 2], [3, 4]], np.int32),
        "colors": np.ones((2, 3)),
        "ismanual": np.zeros(2, bool),
        "flows": [np.zeros((1, 2, 3), np.float32), None, np.float64(3.5)],
        "zdraw": [None, None],
        "chan_choose": [0, 0],
        "ragged": np.array([None, [1, 2]], dtype=object),
    }

    found = read_seg_npy(saved(tmp_path / "a_seg.npy", content))

    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.labels.dtype == np.int32


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_protocol_of_python_3_is_read(tmp_path: Path, protocol: int) -> None:
    pickled = pickle.dumps(np.array({"masks": LABELS}, object), protocol)

    found = read_seg_npy(with_pickle(tmp_path / "a_seg.npy", pickled))

    np.testing.assert_array_equal(found.labels, LABELS)


@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9)])
def test_cells_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    labels = np.array(np.broadcast_to(LABELS, shape))

    write_seg_npy(tmp_path / "a_seg.npy", Cells(labels, image_name="a.tif"))

    np.testing.assert_array_equal(read_seg_npy(tmp_path / "a_seg.npy").labels, labels)


def test_the_file_is_what_the_cellpose_window_expects(tmp_path: Path) -> None:
    gaps = np.where(LABELS == 2, 7, LABELS).astype(np.int32)

    cells = Cells(gaps, sources={1: "model", 7: "hand"})
    notes = write_seg_npy(tmp_path / "a_seg.npy", cells)

    assert "numbered anew" in notes[0]

    content = np.load(tmp_path / "a_seg.npy", allow_pickle=True).item()
    np.testing.assert_array_equal(content["masks"], LABELS)
    assert content["masks"].dtype == np.uint16
    assert content["ismanual"].tolist() == [False, True]
    assert content["colors"].shape == (2, 3)
    assert content["outlines"][2, 2] == 0
    assert content["outlines"][1, 1] == 1


def test_what_was_drawn_by_hand_in_cellpose_is_known(tmp_path: Path) -> None:
    content = {"masks": LABELS, "ismanual": np.array([True, False])}

    found = read_seg_npy(saved(tmp_path / "a_seg.npy", content))

    assert found.sources == {1: "hand", 2: "model"}


def test_labels_without_a_cell_come_back(tmp_path: Path) -> None:
    empty = np.zeros((4, 5), np.int32)

    write_seg_npy(tmp_path / "a_seg.npy", Cells(empty))

    np.testing.assert_array_equal(read_seg_npy(tmp_path / "a_seg.npy").labels, empty)


def test_cells_counted_from_0_on_a_background_of_minus_1_are_read(
    tmp_path: Path,
) -> None:
    found = read_seg_npy(saved(tmp_path / "a_seg.npy", {"masks": LABELS - 1}))

    np.testing.assert_array_equal(found.labels, LABELS)


@pytest.mark.parametrize(
    "function",
    [
        os.system,
        eval,
        exec,
        print,
        getattr,
        np.load,
        np.fromfile,
        np.memmap,
        pickle.loads,
    ],
    ids=lambda function: function.__name__,
)
def test_a_file_that_runs_a_program_is_refused_and_runs_nothing(
    tmp_path: Path, function: Any
) -> None:
    trap = Runs(function, f"touch {tmp_path / 'ran'}")

    with pytest.raises(ImageReadError, match="only plain arrays"):
        read_seg_npy(saved(tmp_path / "a_seg.npy", {"masks": LABELS, "trap": trap}))

    assert not (tmp_path / "ran").exists()


MEMO_BOMB = b"\x80\x04]r\xff\xff\xff\x7f."
RECORDS = (
    b"\x80\x02}X\x05\x00\x00\x00masksq\x00cnumpy.core.multiarray\n_reconstruct\n("
    b"cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01K\x01\x85cnumpy\ndtype\nU\x02V8"
    b"K\x00K\x01\x87R(K\x03U\x01|NU\x01f\x85}K\x08K\x01K\x10tb\x89U\x08abcdefghtbs."
)


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x04.",
        b"\x80\x04}",
        b"cos\nsystem\n(S'id'\ntR.",
        b"(S'id'\nios\nsystem\n.",
        b"\x82\x01.",
        b"Pname\n.",
        b"cnumpy\nndarray\n(K\x01tR.",
        b"cnumpy\ndtype\n}b.",
        RECORDS,
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
        pickle.dumps([1, 2]),
        pickle.dumps({"masks": "text"}),
        pickle.dumps({"outlines": LABELS}),
    ],
)
def test_a_broken_or_hostile_pickle_is_one_sentence(
    tmp_path: Path, pickled: bytes
) -> None:
    with pytest.raises((ImageReadError, LabelsError)) as caught:
        read_seg_npy(with_pickle(tmp_path / "a_seg.npy", pickled))

    assert "\n" not in str(caught.value)


def test_a_pickle_that_asks_for_memory_gets_none(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="holds no 'masks'"):
        read_seg_npy(with_pickle(tmp_path / "a_seg.npy", MEMO_BOMB))


@pytest.mark.parametrize(
    "masks", [np.full((4, 4), 1.5), np.array(["a"]), np.zeros((2, 2, 2, 2, 2)), -LABELS]
)
def test_masks_that_are_no_labels_are_refused(tmp_path: Path, masks: Any) -> None:
    with pytest.raises(LabelsError):
        read_seg_npy(saved(tmp_path / "a_seg.npy", {"masks": masks}))


def test_a_plain_array_is_no_seg_npy(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"no _seg\.npy"):
        read_seg_npy(saved(tmp_path / "a_seg.npy", LABELS))


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="no such file"):
        read_seg_npy(tmp_path / "a_seg.npy")


@pytest.mark.parametrize("seed", range(5))
def test_random_damage_is_always_our_error(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path = saved(tmp_path / "a_seg.npy", {"masks": LABELS, "colors": np.ones((2, 3))})
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(200):
        damaged = whole.copy()
        places = rng.integers(0, len(whole), rng.integers(1, 6))
        damaged[places] = rng.integers(0, 256, len(places))
        path.write_bytes(damaged.tobytes()[: rng.integers(1, len(whole) + 1)])
        try:
            read_seg_npy(path)
        except CellsegError as error:
            assert "\n" not in str(error)  # noqa: PT017
