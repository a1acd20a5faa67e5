"""Channels that are typed by number or by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.core.options import SegmentOptions, range_of

Typed: TypeAlias = str | None


def with_channels(
    batch: BatchOptions, options: SegmentOptions, cells: Typed, nuclei: Typed
) -> tuple[BatchOptions, SegmentOptions]:
    """Return options with the channels of cells and nuclei that were typed.

    What can be the number of a channel is one; anything else, 488 too, is a name, which
    each image knows its own number of.
    """
    cells_number, cells_name = _told_apart(cells)
    nuclei_number, nuclei_name = _told_apart(nuclei)
    return (
        replace(batch, channel_name=cells_name, nuclei_channel_name=nuclei_name),
        replace(options, channel=cells_number, nuclei_channel=nuclei_number),
    )


def _told_apart(typed: Typed) -> tuple[int | None, str | None]:
    """Return the number, or else the name, that a text is."""
    if typed is None:
        return None, None
    highest = range_of(SegmentOptions, "channel").maximum or 0
    if typed.isascii() and typed.isdecimal() and int(typed) <= highest:
        return int(typed), None
    return None, typed
