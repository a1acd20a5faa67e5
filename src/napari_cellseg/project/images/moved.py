"""Images that have moved: looked for in a folder, or below an address in S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.project.images.identity import Identity, is_same
from napari_cellseg.project.images.images import ProjectImage

#: Progress is told after so many names.
TELL_EVERY = 500


@dataclass(frozen=True, slots=True)
class Sought:
    """An image, and by what it is recognised wherever it lies.

    Attributes
    ----------
    image : ProjectImage
        As the project knows it.
    identity : tuple of (int, str)
        Size, and digest or ETag; see `project.images.identity`.
    """

    image: ProjectImage
    identity: Identity


def find_moved(
    sought: Iterable[Sought], where: ImagePlace
) -> Job[dict[int, ImagePlace]]:
    """Return where missing images lie now, by their number.

    An image is known by its name, its size and what it holds. One in S3 counts as
    missing if it cannot be looked at, for whatever reason.

    Parameters
    ----------
    sought : iterable of Sought
        All images of a project; those that are where they were stay.
    where : Path or S3Address
        Searched with everything below it.

    Raises
    ------
    ImageReadError
        If `where` is in S3 and cannot be listed.
    """
    wanted: dict[str, list[Sought]] = {}
    taken: set[ImagePlace] = set()
    for one in sought:
        taken.add(one.image.place)
        wanted.setdefault(one.image.name, []).append(one)
    found: dict[int, ImagePlace] = {}
    for index, place in enumerate(_below(where)):
        if index % TELL_EVERY == 0:
            yield Progress(len(found), 0, f"looking through {where}")
        if place in taken:
            continue
        for one in wanted.get(place.name, ()):
            # Two copies of one image may be missing: each finds its own.
            if one.image.image_id not in found and _fits(one, place):
                found[one.image.image_id] = place
                break
    return found


def _fits(one: Sought, place: ImagePlace) -> bool:
    """Say whether an image is not where it was, and is what lies at another place."""
    try:
        return (
            place != one.image.place
            and is_same(place, one.identity)
            and _is_gone(one.image)
        )
    except (ImageReadError, OSError):
        return False


def _is_gone(image: ProjectImage) -> bool:
    """Say whether an image cannot be had at its place."""
    if isinstance(image.place, Path):
        return image.is_missing
    from napari_cellseg.io.s3.objects import list_below, look_at

    try:
        if image.name.lower().endswith(".zarr"):
            below = S3Address(image.place.bucket, image.place.as_prefix)
            return next(list_below(below, deep=True), None) is None
        look_at(image.place)
    except ImageReadError:
        return True
    return False


def _below(where: ImagePlace) -> Iterator[ImagePlace]:
    """Yield what lies in a folder or below an address; of an OME-Zarr, itself."""
    if isinstance(where, Path):
        yield from where.rglob("*")
        return
    from napari_cellseg.io.s3.objects import list_below

    last = None
    for item in list_below(S3Address(where.bucket, where.as_prefix), deep=True):
        head, mark, _ = item.address.key.partition(".zarr/")
        place = S3Address(where.bucket, f"{head}.zarr") if mark else item.address
        if place != last:
            yield place
        last = place
