"""Images with their labels in S3: a prefix or a manifest, fetched when they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.io.reading.paths import stem_of
from napari_cellseg.io.s3.address import S3Address, parse_s3_address
from napari_cellseg.io.s3.cache import local_copy
from napari_cellseg.io.s3.objects import list_below, look_at, read_object

IMAGES, MASKS = "images", "masks"
MANIFEST_SUFFIX = ".manifest"
MAX_MANIFEST_BYTES = 100 * 2**20


def s3_samples(text: str) -> Iterator[Sample]:
    """Yield the pairs ``images/NAME.*`` and ``masks/NAME.tif`` at an address, by name.

    A pair is fetched when its turn comes, and stays in the cache: another training reads
    it from there, unless it was replaced in S3.

    Parameters
    ----------
    text : str
        A prefix, such as ``s3://bucket/set/``; or a manifest as SageMaker has it, a JSON
        list of ``{"prefix": "s3://bucket/set/"}`` and keys relative to it.

    Raises
    ------
    ImageReadError
        If there is no pair, or S3 cannot be read.
    """
    root, keys = _listed(text)
    pairs = _pairs(keys)
    if not pairs:
        raise ImageReadError(
            f"'{text}' holds no pair {IMAGES}/NAME.* and {MASKS}/NAME.tif; name the prefix "
            "that has both."
        )
    kind = root.name
    for stem, (image, labels) in sorted(pairs.items()):
        paths = [
            local_copy(look_at(S3Address(root.bucket, root.as_prefix + key)))
            for key in (image, labels)
        ]
        yield Sample(stem, kind, f"{kind}/{stem}", paths[0], paths[1])


def _listed(text: str) -> tuple[S3Address, list[str]]:
    """Return the prefix, and the keys below it."""
    address = parse_s3_address(text)
    if address.key.endswith(MANIFEST_SUFFIX):
        return _in_manifest(address)
    root = S3Address(address.bucket, address.as_prefix)
    keys = [
        item.address.key.removeprefix(root.key)
        for folder in (IMAGES, MASKS)
        for item in list_below(root.below(f"{folder}/"), deep=False)
    ]
    return root, keys


def _in_manifest(address: S3Address) -> tuple[S3Address, list[str]]:
    """Return the prefix and the keys that a manifest names."""
    content = read_object(address, "", MAX_MANIFEST_BYTES)
    if content is None:
        raise ImageReadError(f"There is no manifest at '{address}'. Check the address.")
    try:
        first, *keys = json.loads(content)
        root = parse_s3_address(first["prefix"])
    except (ValueError, TypeError, KeyError) as error:
        raise ImageReadError(
            f"'{address}' is no manifest ({error!r}); a JSON list is expected that begins "
            'with {"prefix": "s3://bucket/folder/"} and goes on with keys.'
        ) from error
    return root, [_checked_key(key, address) for key in keys]


def _checked_key(key: Any, address: S3Address) -> str:
    if not isinstance(key, str):
        raise ImageReadError(
            f"'{address}' lists {key!r:.80}; a key relative to the prefix is expected."
        )
    return key.lstrip("/")


def _pairs(keys: list[str]) -> dict[str, tuple[str, str]]:
    """Return the keys of image and labels of each name that has both."""
    images: dict[str, str] = {}
    labels: dict[str, str] = {}
    for key in keys:
        path = PurePosixPath(key)
        if path.parent.name == IMAGES:
            images[stem_of(path)] = key
        elif path.parent.name == MASKS and path.suffix.lower() in (".tif", ".tiff"):
            labels[stem_of(path)] = key
    return {
        stem: (images[stem], labels[stem]) for stem in images.keys() & labels.keys()
    }
