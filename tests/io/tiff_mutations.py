"""Small TIFF files of many kinds, and broken copies of them: the same for every run."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import tifffile

COMPRESSIONS = (None, "zlib", "lzw", "packbits", "zstd", "jpeg")


def _written(data, **options):
    """Return the bytes of a TIFF."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, data, **options)
    return buffer.getvalue()


def base_files() -> list[bytes]:
    """Return small TIFF files: strips and tiles, OME, ImageJ, BigTIFF, palette, pyramid."""
    random = np.random.default_rng(0)
    grey = random.integers(0, 200, (48, 64), np.uint8)
    stack = random.integers(0, 4000, (3, 32, 40)).astype(np.uint16)
    colour = random.integers(0, 255, (32, 32, 3), np.uint8)
    files = []
    for compression in COMPRESSIONS:
        files.append(_written(grey, compression=compression, rowsperstrip=16))
        files.append(_written(grey, compression=compression, tile=(16, 16)))
    files += [
        _written(stack, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 0.5}),
        _written(stack, imagej=True, metadata={"axes": "ZYX", "unit": "um"}),
        _written(
            stack, bigtiff=True, photometric="minisblack", metadata={"axes": "CYX"}
        ),
        _written(stack, metadata=None, photometric="minisblack"),
        _written(colour, photometric="rgb", compression="zlib", predictor=True),
        _written(colour, photometric="rgb", planarconfig="contig", byteorder=">"),
        _written(grey, photometric="miniswhite"),
        _written(
            grey // 8,
            photometric="palette",
            colormap=random.integers(0, 65535, (3, 256)).astype(np.uint16),
        ),
    ]
    return files


def mutations(n_files: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield a name and the bytes of broken files, the same ones for the same seed."""
    random = np.random.default_rng(seed)
    bases = base_files()
    for index in range(n_files):
        base = bytearray(bases[index % len(bases)])
        kind = int(random.integers(5))
        if kind == 0:  # cut
            base = base[: int(random.integers(8, len(base)))]
        for _ in range(int(random.integers(1, 6))):
            _damage(base, kind, random)
        yield f"{index:04d}.tif", bytes(base)


def _damage(data: bytearray, kind: int, random: np.random.Generator) -> None:
    """Break one place: a value of a tag, a byte near the head, or a byte anywhere."""
    if kind in (1, 2):
        _damage_tag(data, random)
    else:
        end = min(len(data), 512) if kind == 3 else len(data)
        data[int(random.integers(4, end))] = int(random.integers(256))


def _damage_tag(data: bytearray, random: np.random.Generator) -> None:
    """Write a nasty number into the type, count or value of a tag of the first page."""
    order = "<" if data[:2] == b"II" else ">"
    is_big = struct.unpack(order + "H", data[2:4])[0] == 43
    start = struct.unpack(
        order + ("Q" if is_big else "I"), data[8:16] if is_big else data[4:8]
    )[0]
    head, size = (8, 20) if is_big else (2, 12)
    if start + head + size >= len(data):
        return
    n_tags = data[start] + data[start + 1]
    tag = start + head + size * int(random.integers(max(n_tags, 1)))
    nasty = (0, 1, 2, 7, 255, 65535, 2**31 - 1, 2**32 - 1, int(random.integers(2**32)))
    place = tag + int(random.choice([2, 4, size - 4]))
    value = struct.pack(order + "I", nasty[int(random.integers(len(nasty)))])
    width = 2 if place == tag + 2 else 4
    if place + width <= len(data):
        data[place : place + width] = value[:width] if order == "<" else value[-width:]
