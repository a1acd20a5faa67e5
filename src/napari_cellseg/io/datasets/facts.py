"""What a data set holds, in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod

from napari_cellseg.io.datasets.manifest import SPLITS, DatasetImage, Manifest

COLUMNS = ("images", "cells", "groups", *SPLITS)
MAX_SIZES = 6


def dataset_facts(manifest: Manifest) -> list[str]:
    """Return lines of text: counts by kind and split, sizes, channels, provenance."""
    images = manifest.images
    kinds = sorted({one.kind for one in images})
    width = max([len(kind) for kind in kinds] + [8])
    lines = [f"{'kind':{width}}" + "".join(f"{name:>9}" for name in COLUMNS)]
    for kind in kinds:
        lines.append(_row(kind, width, [one for one in images if one.kind == kind]))
    if len(kinds) > 1:
        lines.append(_row("all", width, images))
    sizes = Counter(" × ".join(map(str, _sizes(one))) for one in images)
    shown = [f"{size} ({n})" for size, n in sizes.most_common(MAX_SIZES)]
    more = f", {len(sizes) - MAX_SIZES} more" if len(sizes) > MAX_SIZES else ""
    channels = Counter(_n_channels(one) for one in images)
    parts = [f"{n} ({count} images)" for n, count in sorted(channels.items())]
    lines.append(f"sizes     {', '.join(shown)}{more}")
    lines.append(f"channels  {', '.join(parts)}")
    lines.append(f"values    {', '.join(sorted({one.dtype for one in images}))}")
    n_partly = sum(bool(one.checked) for one in images)
    if n_partly:
        lines.append(f"checked   in parts only: {n_partly} images")
    origin = manifest.provenance
    lines.append(
        f"from      '{origin.get('folder', '')}', layout {origin.get('layout', '')}, "
        f"{origin.get('imported_at', '')}"
    )
    if manifest.split:
        made = manifest.split
        lines.append(
            f"split     by {made.get('by')}, val {made.get('val')}, test "
            f"{made.get('test')}, salt '{made.get('salt', '')}'"
        )
    return lines


def _row(kind: str, width: int, images: Iterable[DatasetImage]) -> str:
    """Return the counts of some images."""
    found = list(images)
    counts = [
        len(found),
        sum(one.n_cells for one in found),
        len({one.group for one in found}),
        *(sum(one.split == side for one in found) for side in SPLITS),
    ]
    return f"{kind:{width}}" + "".join(f"{count:9,}" for count in counts)


def _sizes(one: DatasetImage) -> tuple[int, ...]:
    """Return the sizes of all axes but the channels."""
    sizes = zip(one.axes, one.shape, strict=True)
    return tuple(size for axis, size in sizes if axis != "C")


def _n_channels(one: DatasetImage) -> int:
    """Return the number of channels."""
    return prod(
        size for axis, size in zip(one.axes, one.shape, strict=True) if axis == "C"
    )
