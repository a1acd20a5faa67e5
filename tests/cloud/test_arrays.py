"""Arrays arrive as they were; what is damaged or hostile is refused in a sentence."""

from __future__ import annotations

import json

import imagecodecs
import numpy as np
import pytest

from napari_cellseg.cloud.wire.arrays import packed_arrays, unpacked_arrays, with_array
from napari_cellseg.core.errors import LimitError, RemoteError

MIB = 2**20


@pytest.mark.parametrize("name", ["pixels", "labels"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint32", "float32"])
@pytest.mark.parametrize(
    "shape", [(0,), (1,), (70, 90), (3, 40, 60), ()], ids=lambda shape: str(shape)
)
def test_arrays_survive(name: str, dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.random.default_rng(2).random(shape) * 250).astype(dtype)
    values, arrays = unpacked_arrays(
        packed_arrays({"a": [1, "µ"]}, {name: array}), {name: MIB}
    )
    assert values == {"a": [1, "µ"]}
    assert arrays[name].dtype == array.dtype
    np.testing.assert_array_equal(arrays[name], array)


def test_neither_the_given_array_nor_its_order_matter() -> None:
    given = np.arange(9000, dtype=np.uint16).reshape(90, 100).T
    before = given.copy()
    _, arrays = unpacked_arrays(packed_arrays({}, {"pixels": given}), {"pixels": MIB})
    np.testing.assert_array_equal(given, before)
    np.testing.assert_array_equal(arrays["pixels"], before)


def test_an_array_can_be_added() -> None:
    one, two = np.arange(3000), np.full((80, 80), 7, np.uint8)
    body = with_array(packed_arrays({"n": 1}, {"one": one}), "maps", two)
    values, arrays = unpacked_arrays(body, {"maps": MIB, "one": MIB})
    assert values == {"n": 1}
    np.testing.assert_array_equal(arrays["one"], one)
    np.testing.assert_array_equal(arrays["maps"], two)


def message(body: bytes, **changed: object) -> bytes:
    """Return a body of one array of 100 x 100 numbers, something of it changed."""
    told = {"name": "pixels", "dtype": "uint8", "shape": [100, 100]}
    told |= {"bytes": len(body), "packed": True, "delta": False, **changed}
    return json.dumps({"values": {}, "arrays": [told]}).encode() + b"\n" + body


GOOD = imagecodecs.zstd_encode(bytes(10_000), 1)
HOSTILE = {
    "nothing": b"",
    "no line": b"x" * 3_000_000,
    "not JSON": b"<html>\n",
    "nested": b"[" * 100_000 + b"\n",
    "a list": b"[]\n",
    "no arrays": b'{"values": {}}\n',
    "values of no use": b'{"values": 3, "arrays": []}\n',
    "another array": b'{"values": {}, "arrays": []}\n',
    "arrays of no use": b'{"values": {}, "arrays": [3]}\n',
    "cut off": message(GOOD)[:-5],
    "damaged": message(b"x" * 50),
    "expands to more": message(imagecodecs.zstd_encode(bytes(200 * MIB), 1)),
    "expands to less": message(imagecodecs.zstd_encode(bytes(100), 1)),
    "not packed, too short": message(b"x" * 50, packed=False),
    "objects": message(GOOD, dtype="object"),
    "a record": message(GOOD, dtype="V8"),
    "negative": message(GOOD, shape=[-100, -100]),
    "negative bytes": message(GOOD, bytes=-1),
    "infinite": message(GOOD, shape=[float("inf")]),
    "words": message(GOOD, shape=["many"]),
    "empty, but long": message(b"", shape=[0, 2**62], packed=False),
    "many axes": message(GOOD, shape=[1] * 100),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_hostile_is_refused_in_a_sentence(body: bytes) -> None:
    with pytest.raises(RemoteError) as refused:
        unpacked_arrays(body, {"pixels": MIB})
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("shape", [[1025, 1024], [2**30, 2**30]])
def test_what_is_too_large_is_refused_before_it_is_expanded(shape: list[int]) -> None:
    with pytest.raises(LimitError, match="expanded"):
        unpacked_arrays(message(GOOD, shape=shape), {"pixels": MIB})
