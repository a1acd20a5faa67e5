"""Which files a command line means."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath, PurePosixPath
from typing import TypeAlias

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.foreign import translated
from napari_cellseg.io.s3.address import S3Address, is_s3_address, parse_s3_address
from napari_cellseg.io.sniff import IMAGE_SUFFIXES

SKIPPED_NAMES = ("thumbs.db", "desktop.ini")
OUTPUT_SUFFIXES = ("_labels.tif", "_labels.ome.tif")
#: What is ours only where our labels of the same image are among the files, too.
BESIDE_LABELS_SUFFIXES = ("_mask.tif", "_probability.tif")

#: The scheme of an address has more than one letter, a drive of Windows has one.
OTHER_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")

#: Where an image lies: a file here, or an object in S3.
ImagePlace: TypeAlias = Path | S3Address


#: Endings of two parts, taken off a file's name as one.
DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr", ".ome.btf")


def stem_of(path: PurePath | S3Address) -> str:
    """Return a file's name without its ending; ``.ome.tif`` counts as one ending."""
    name = path.name
    for suffix in DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return path.stem or name


def full_address(place: ImagePlace) -> str:
    """Return where an image lies, in full."""
    return str(place) if isinstance(place, S3Address) else str(_whole(place))


def address_key(address: str) -> str:
    """Return what all ways to write the address of one file have in common.

    On Windows neither case nor the kind of slash tells files apart.
    """
    return address if is_s3_address(address) else os.path.normcase(address)


def _whole(path: Path) -> Path:
    """Return a path in full and without "..": one file has one address.

    Links stay as they are, but ".." behind one leads to where the disk says.
    """
    whole = path.absolute()
    if ".." not in whole.parts:
        return whole
    if whole.name == "..":
        return whole.resolve()
    return whole.parent.resolve() / whole.name


def image_place(text: str) -> ImagePlace:
    """Return the place that a path or address means, a path made absolute.

    Raises
    ------
    ImageReadError
        If it is an address, and none that S3 has.
    """
    if is_s3_address(text):
        return parse_s3_address(text)
    _refuse_address(text)
    return _whole(Path(text))


def _refuse_address(text: str) -> None:
    """Raise `ImageReadError` for an address that is neither a path nor in S3."""
    if OTHER_ADDRESS.match(text):
        raise ImageReadError(
            f"'{text}' is an address on the web; files on this computer or a network "
            "drive, and s3://BUCKET/KEY are read. Download it and give the file."
        )


def list_places(paths: Sequence[str | Path]) -> list[ImagePlace]:
    """Return the images that paths, folders, globs and addresses in S3 mean.

    Parameters
    ----------
    paths : sequence of str or Path
        As in `list_images`, and addresses such as ``s3://bucket/folder`` or
        ``s3://bucket/folder/*.tif``.

    Returns
    -------
    list of Path or S3Address
        The local ones first, each sorted and once.

    Raises
    ------
    ImageReadError
        If nothing is found, or a folder or bucket cannot be read.
    """
    addresses = [str(path) for path in paths if is_s3_address(path)]
    if not addresses:
        return list(list_images(paths))
    from napari_cellseg.io.s3.listing import list_s3_images

    local = [path for path in paths if not is_s3_address(path)]
    listed = {one for text in addresses for one in list_s3_images(text)}
    texts = {str(one) for one in listed}
    found = {
        address
        for address in listed
        if not _is_skipped(PurePosixPath(address.name))
        and not _is_beside_labels(str(address), texts)
    }
    if not found:
        raise ImageReadError(
            f"There is no image in {', '.join(addresses)}. *_labels.tif are left out."
        )
    return [*(list_images(local) if local else ()), *sorted(found)]


def list_images(paths: Sequence[str | Path]) -> list[Path]:
    """Return the image files that paths, folders and globs mean, sorted, each once.

    Parameters
    ----------
    paths : sequence of str or Path
        A file is kept whatever its name, even if it does not exist: reading it says so. Of a
        folder, the files with a suffix of `IMAGE_SUFFIXES` and the OME-Zarr folders in it are
        kept, without its subfolders, and links that lead nowhere. A glob may hold ``**``.

    Returns
    -------
    list of Path
        Hidden files, ``Thumbs.db``, ``.DS_Store``, our own ``*_labels.tif`` and what we
        wrote beside those are left out.

    Raises
    ------
    ImageReadError
        If a folder cannot be read, nothing is found at all, or it is on the web.
    """
    for given in paths:
        _refuse_address(str(given))
    listed = {path for given in paths for path in _expanded(given)}
    texts = {str(path) for path in listed}
    found = {
        path
        for path in listed
        if not _is_skipped(path) and not _is_beside_labels(str(path), texts)
    }
    if not found:
        raise ImageReadError(
            f"There is no image in {', '.join(map(str, paths)) or 'nothing'}. Hidden files and "
            "*_labels.tif are left out, and subfolders; name files, folders or patterns such "
            "as 'plate/*.tif', or 'plate/**/*.tif' for subfolders, too."
        )
    once = {
        address_key(full_address(path)): path for path in sorted(found, reverse=True)
    }
    return sorted(once.values())


def _expanded(given: str | Path) -> Iterator[Path]:
    """Yield the files that one argument means."""
    path = Path(given)
    with translated(str(given)):
        if path.is_dir() and not _is_zarr(path):
            yield from _in_folder(path)
        elif path.exists() or not glob.has_magic(str(given)):
            yield path
        else:
            for name in glob.glob(str(given), recursive=True):  # noqa: PTH207 -- may be absolute
                if not Path(name).is_dir() or _is_zarr(Path(name)):
                    yield Path(name)


def _in_folder(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that may be images by their suffix."""
    for path in folder.iterdir():
        is_gone = path.is_symlink() and not path.exists()  # reading it will say so
        if path.suffix.lower() in IMAGE_SUFFIXES and (
            path.is_file() or _is_zarr(path) or is_gone
        ):
            yield path


def _is_zarr(path: Path) -> bool:
    """Say whether a path is meant as an OME-Zarr folder."""
    return path.suffix.lower() == ".zarr" and path.is_dir()


def _is_skipped(path: PurePath) -> bool:
    """Say whether a file is hidden, the system's, or written by us."""
    name = path.name.lower()
    return (
        name.startswith(".") or name in SKIPPED_NAMES or name.endswith(OUTPUT_SUFFIXES)
    )


def _is_beside_labels(text: str, texts: set[str]) -> bool:
    """Say whether a place is that of a mask we wrote beside labels that are listed, too."""
    ends = (end for end in BESIDE_LABELS_SUFFIXES if text.endswith(end))
    stems = (text.removesuffix(end) for end in ends)
    return any(f"{stem}{OUTPUT_SUFFIXES[0]}" in texts for stem in stems)
