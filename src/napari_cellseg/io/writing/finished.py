"""Finished results in a folder or a bucket: of `cellseg segment`, or of the pipeline in S3."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.s3.address import S3Address, is_s3_address, parse_s3_address

LABELS_SUFFIX = "_labels.tif"
#: What stands beside the labels and says what they are of; written first or last.
RECORD_ENDS = ("_counts.json", "_cells.json")
#: False in a record whose labels and table are still to be written; not there otherwise.
IS_FINISHED = "is_finished"
MAX_RECORD_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Finished:
    """Labels with the record of what they are of, as they were found.

    Attributes
    ----------
    labels, record : str
        Paths or addresses.
    state : str
        Changes when the record is written again.
    at : datetime
        When it was written.
    """

    labels: str
    record: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FinishedImage:
    """What is shown of a finished image.

    Attributes
    ----------
    found : Finished
        Where it lies.
    name : str
        Of the image.
    image : str
        Its path or address; "" if it is not known or lies elsewhere.
    n_cells : int or None
        None if the record does not say.
    """

    found: Finished
    name: str
    image: str
    n_cells: int | None


def says_finished(record: Mapping[str, Any]) -> bool:
    """Say whether what a record speaks of is whole; an empty record is none."""
    return bool(record) and record.get(IS_FINISHED, True) is not False


def find_finished(place: str) -> list[Finished]:
    """Return what has labels and a record below a folder or an address, the newest first.

    What the records say is not read; see `describe_finished`.

    Raises
    ------
    ImageReadError
        If there is no such folder or bucket, or it cannot be read.
    """
    entries = _entries_in_s3(place) if is_s3_address(place) else _entries_here(place)
    by_name = {name: (state, at) for name, state, at in entries}
    found = []
    for name, (state, at) in by_name.items():
        end = next((end for end in RECORD_ENDS if name.endswith(end)), None)
        if end and (labels := name.removesuffix(end) + LABELS_SUFFIX) in by_name:
            found.append(Finished(labels, name, state, at))
    return sorted(found, key=_age, reverse=True)


def _age(found: Finished) -> tuple[datetime, str]:
    return found.at, found.labels


def _entries_here(place: str) -> Iterator[tuple[str, str, datetime]]:
    """Yield name, state and time of each file in a folder and those in it."""
    if not Path(place).is_dir():
        raise ImageReadError(f"'{place}' is no folder. Choose the folder of results.")
    for folder, _, names in os.walk(place):
        for name in names:
            path = Path(folder) / name
            if name.endswith((LABELS_SUFFIX, *RECORD_ENDS)) and path.is_file():
                written = path.stat().st_mtime
                at = datetime.fromtimestamp(written, UTC)
                yield str(path), str(written), at


def _entries_in_s3(place: str) -> Iterator[tuple[str, str, datetime]]:
    """Yield name, state and time of each object below an address."""
    from napari_cellseg.io.s3.objects import list_written

    address = parse_s3_address(place)
    prefix = S3Address(address.bucket, address.as_prefix)
    for item, at in list_written(prefix):
        if item.address.name.endswith((LABELS_SUFFIX, *RECORD_ENDS)):
            yield str(item.address), item.etag, at


def describe_finished(found: Finished) -> FinishedImage | None:
    """Return what the record of an image says; of a damaged one, only its name.

    None if the record says that the image is not finished: it will be written again.

    What the record names as its image is only taken if it lies in the same bucket, or for
    a record on this computer, on this computer: the text may be anybody's.

    Raises
    ------
    ImageReadError
        If S3 cannot be asked.
    """
    try:
        values = json.loads(_record_text(found.record))
        described = values.get("image") or {}
        if not says_finished(values):
            return None
        source = str(values.get("source") or described.get("source") or "")
        name = str(described.get("name") or _base(found.labels))
        n_cells = values.get("n_cells", values.get("summary", {}).get("n_cells"))
    except (ValueError, AttributeError, OSError):
        return FinishedImage(found, _base(found.labels), "", None)
    image = source if _is_beside(source, found.record) else ""
    return FinishedImage(found, name, image, _whole(n_cells))


def _base(labels: str) -> str:
    return labels.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(LABELS_SUFFIX)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _record_text(record: str) -> str:
    if not is_s3_address(record):
        if Path(record).stat().st_size > MAX_RECORD_BYTES:
            return ""
        return Path(record).read_text(encoding="utf-8")
    from napari_cellseg.io.s3.objects import read_object

    body = read_object(parse_s3_address(record), "", MAX_RECORD_BYTES)
    return (body or b"").decode("utf-8")


def _is_beside(source: str, record: str) -> bool:
    """Say whether an image may be opened because a record names it."""
    if is_s3_address(record):
        bucket = parse_s3_address(record).bucket
        return is_s3_address(source) and source.startswith(f"s3://{bucket}/")
    return bool(source) and not is_s3_address(source) and Path(source).exists()
