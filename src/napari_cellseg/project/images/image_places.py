"""Which image lies at a path, however the path is written."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from napari_cellseg.io.reading.paths import ImagePlace
from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.project.images.images import ProjectImage


class ImagePlaces:
    """Finds images by their place.

    ``../``, links, and accents of one or two characters (as macOS has them) lead to one
    file.

    Parameters
    ----------
    images : iterable of ProjectImage
        Of a project.
    """

    def __init__(self, images: Iterable[ProjectImage]) -> None:
        self._by_text = {_text_of(one.place): one for one in images}
        self._by_real: dict[str, ProjectImage] | None = None

    def find(self, place: ImagePlace) -> ProjectImage | None:
        """Return the image at a place, None if there is none; touches the disk."""
        found = self._by_text.get(_text_of(place))
        if found is not None or isinstance(place, S3Address):
            return found
        if self._by_real is None:
            folders: dict[Path, str] = {}
            self._by_real = {
                _real_text(one.place, folders): one
                for one in self._by_text.values()
                if isinstance(one.place, Path)
            }
        for text in (_text_of(Path(os.path.realpath(place))), _real_text(place, {})):
            if text in self._by_real:
                return self._by_real[text]
        return None


def is_same_place(one: Path, other: Path) -> bool:
    """Say whether two paths, however they are written, lead to one file."""
    if _text_of(one) == _text_of(other):
        return True
    real = [_text_of(Path(os.path.realpath(path))) for path in (one, other)]
    return real[0] == real[1]


def split_by_name(
    places: Iterable[ImagePlace],
) -> tuple[list[ImagePlace], list[ImagePlace]]:
    """Return the places that a project can keep, and those that are not UTF-8."""
    named: list[ImagePlace] = []
    unnamed: list[ImagePlace] = []
    for place in places:
        try:
            str(place).encode()
        except UnicodeEncodeError:
            unnamed.append(place)
        else:
            named.append(place)
    return named, unnamed


def spelled_out(place: ImagePlace) -> str:
    """Return a place that can be printed, whatever its bytes."""
    return os.fsencode(str(place)).decode("utf-8", "replace")


def _text_of(place: ImagePlace) -> str:
    """Return a place written in one way."""
    if isinstance(place, S3Address):
        return str(place)
    return unicodedata.normalize("NFC", os.path.normpath(place.absolute()))


def _real_text(path: Path, folders: dict[Path, str]) -> str:
    """Return a path written in one way, with its folder's links followed once."""
    folder = path.absolute().parent
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return _text_of(Path(folders[folder], path.name))
