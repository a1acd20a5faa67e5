"""Results that go to S3: made in a folder here, sent image by image."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_cellseg.batch.options import BatchOptions
from napari_cellseg.batch.results import RECORD_SUFFIX, ImageResults, unfinished
from napari_cellseg.batch.segmenting import BatchReport, segment_files
from napari_cellseg.batch.summary import SUMMARY_NAME
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.jobs import Job
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.segmenter import Segmenter
from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.io.s3.address import S3Address, file_name_of, parse_s3_address
from napari_cellseg.io.s3.objects import (
    list_below,
    read_object,
    remove_object,
    upload_file,
)
from napari_cellseg.io.writing.finished import LABELS_SUFFIX

#: What a run looks for to see what is finished, beside records and summary.
RESULT_SUFFIXES = (
    LABELS_SUFFIX,
    "_cells.csv",
    "_cells_3d.csv",
    "_mask.tif",
    "_probability.tif",
)
#: A record is some kilobytes, a summary a line an image.
MAX_RECORD_BYTES = 256 * 2**20


def segment_to_s3(
    sources: Sequence[ImagePlace],
    out: str,
    segmenter: Segmenter,
    batch: BatchOptions,
    options: SegmentOptions,
) -> Job[BatchReport]:
    """Segment images as `segmenting.segment_files` does, and send the results to S3.

    Each image is sent when it is done, its record last; so a run that is stopped goes on
    with ``--skip-existing`` as in a local folder.

    Parameters
    ----------
    out : str
        Address of the "folder" in S3.
    sources, segmenter, batch, options
        See `segmenting.segment_files`.

    Raises
    ------
    ImageReadError
        If the address is none or may not be listed.
    SaveError
        If the summary could not be sent; it stays in the folder that is named.
    """
    place = _Place(parse_s3_address(out))
    try:
        place.fetch()
    except CellsegError:
        shutil.rmtree(place.folder, ignore_errors=True)
        raise
    try:
        report = yield from segment_files(
            sources, place.folder, segmenter, batch, options, place.send
        )
    finally:
        place.send_summary()
    return replace(report, summary=place.address.below(SUMMARY_NAME))


@dataclass(frozen=True, slots=True)
class _Place:
    """The address, and the folder here that stands for it.

    The folder holds the records of what lies in S3 already, and empty files for its other
    results, so that a run sees what is finished.
    """

    address: S3Address
    folder: Path = field(
        default_factory=lambda: Path(tempfile.mkdtemp(prefix="cellseg-results-"))
    )
    there: set[str] = field(default_factory=set)

    def fetch(self) -> None:
        """Learn what is there already."""
        prefix = S3Address(self.address.bucket, self.address.as_prefix)
        for item in list_below(prefix, deep=False):
            name = item.address.name
            if name != file_name_of(item.address):
                continue  # not written by us, and no name for a file here
            path = self.folder / name
            if name == SUMMARY_NAME or name.endswith(RECORD_SUFFIX):
                path.write_bytes(
                    read_object(item.address, "", MAX_RECORD_BYTES) or b"{}"
                )
            elif name.endswith(RESULT_SUFFIXES):
                path.touch()
                self.there.add(name)

    def send(self, result: ImageResults) -> None:
        """Send the files of an image; then only their record stays.

        A record that says "not finished" goes first, the whole one last. What an earlier
        run left of the image and this one did not write is removed.
        """
        whole = result.record.read_bytes()
        result.record.write_bytes(unfinished(result.read_record()))
        upload_file(result.record, self.address.below(result.record.name))
        for path in result.possible_files():
            if path.exists() and path.stat().st_size:
                upload_file(path, self.address.below(path.name))
                path.write_bytes(b"")
            elif not path.exists() and path.name in self.there:
                remove_object(self.address.below(path.name))
        result.record.write_bytes(whole)
        upload_file(result.record, self.address.below(result.record.name))

    def send_summary(self) -> None:
        """Send the summary, and remove the folder unless something failed to go."""
        summary = self.folder / SUMMARY_NAME
        if summary.exists():
            upload_file(summary, self.address.below(SUMMARY_NAME))
        if not any(_holds_labels(path) for path in self.folder.iterdir()):
            shutil.rmtree(self.folder, ignore_errors=True)


def _holds_labels(path: Path) -> bool:
    """Say whether a file holds labels that were not sent."""
    return path.name.endswith(LABELS_SUFFIX) and path.stat().st_size > 0
