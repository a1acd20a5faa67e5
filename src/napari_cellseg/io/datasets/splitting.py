"""A split that any computer finds again: by digests of groups, never by order or chance."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from napari_cellseg.core.dataset_options import BY_GROUP, BY_IMAGE, SplitOptions
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.io.datasets.manifest import SPLITS, DatasetImage, Manifest


def split_dataset(manifest: Manifest, options: SplitOptions) -> Manifest:
    """Return a data set with a split in which no group is on two sides.

    Where a group falls depends on its name and the salt only: more images later move none
    of those that are there.

    Raises
    ------
    OptionsError
        If an image lacks what is grouped by, or the pattern is none or not found.
    """
    groups = groups_of(manifest.images, options)
    images = tuple(
        replace(one, group=group, split=side_of(group, options))
        for one, group in zip(manifest.images, groups, strict=True)
    )
    made_by = {
        "by": options.pattern or options.by,
        "val": options.val,
        "test": options.test,
        "salt": options.salt,
        "rule": "SHA-256 of salt, NUL and group; first 8 bytes over 2**64: below test, "
        "then below test + val, else train",
    }
    return replace(manifest, images=images, split=made_by)


def side_of(group: str, options: SplitOptions) -> str:
    """Return the side of the split on which a group always falls."""
    digest = hashlib.sha256(f"{options.salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < options.test:
        return "test"
    return "val" if place < options.test + options.val else "train"


def groups_of(images: Sequence[DatasetImage], options: SplitOptions) -> list[str]:
    """Return the group of each image; raises as `split_dataset`."""
    if options.pattern:
        return _groups_by_pattern(images, options.pattern)
    if options.by == BY_GROUP:
        return [one.group for one in images]
    if options.by == BY_IMAGE:
        return [f"{one.kind}/{one.name}" for one in images]
    # 0 is a value: the first frame of a sequence has it.
    lacking = [x.name for x in images if x.attributes.get(options.by) in (None, "")]
    if lacking:
        known = sorted({name for one in images for name in one.attributes})
        raise OptionsError(
            f"{len(lacking)} images, such as '{lacking[0]}', have no '{options.by}'; "
            f"choose group, image{''.join(f', {name}' for name in known)}, or --pattern."
        )
    return [f"{options.by}/{one.attributes[options.by]}" for one in images]


def _groups_by_pattern(images: Sequence[DatasetImage], pattern: str) -> list[str]:
    """Return what a pattern finds in each name."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise OptionsError(
            f"'{pattern}' is no regular expression ({error}); one such as "
            r"'(patient\d+)_' is needed."
        ) from error
    groups = []
    for one in images:
        match = compiled.search(one.name)
        if match is None or not compiled.groups:
            raise OptionsError(
                f"'{pattern}' finds nothing in '{one.name}'; it needs a part in round "
                r"brackets that every name has, such as '(patient\d+)_'."
            )
        groups.append(match[1] or "")
    return groups


def counts_by_split(manifest: Manifest) -> dict[str, int]:
    """Return the number of images on each side, and without one as ``"none"``."""
    counts = {side: len(manifest.in_split(side)) for side in SPLITS}
    without = len(manifest.in_split(""))
    return {**counts, "none": without} if without else counts
