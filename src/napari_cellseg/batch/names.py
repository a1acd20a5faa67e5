"""What the results of each file are called."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_cellseg.core.errors import SaveError
from napari_cellseg.io.atomic import MAX_NAME_BYTES
from napari_cellseg.io.reading.paths import ImagePlace, full_address, stem_of
from napari_cellseg.io.s3.address import FORBIDDEN_IN_NAMES, S3Address

#: Of a name; with ``_probability.tif`` and a number it fits into `MAX_NAME_BYTES`.
LONGEST_BYTES = MAX_NAME_BYTES - 32
#: Windows has no file of these names, whatever stands behind the point.
DEVICES = re.compile(r"(?i)\A(con|prn|aux|nul|com\d|lpt\d)(?=\.)")


def refuse_to_replace(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Raise `SaveError` if a file or folder is there already and may not be replaced."""
    there = [] if overwrite else [path for path in paths if path.exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        verb = "are" if more else "is"
        raise SaveError(
            f"'{there[0]}'{more} {verb} there already. Use --overwrite to replace, or "
            "write elsewhere."
        )


def remove_earlier(path: Path) -> None:
    """Remove a file of an earlier run, if it is there; raises `SaveError`."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(
            f"'{path}' is of an earlier run and cannot be removed: {error.strerror}. "
            "Remove it, or choose another folder."
        ) from error


def plan_names(sources: Sequence[ImagePlace]) -> list[str]:
    """Return a name for the results of each source, all different.

    A stem that several sources share gets the folder in front, then the ending behind,
    then a number; case and the way an accent is written do not tell names apart, as on
    Windows and macOS. A name too long for the names of the results is cut; a sign that no
    name may have on Windows becomes ``_``.
    """
    names = [_portable(stem_of(source)) for source in sources]
    folders = [_portable(_folder_name(source)) for source in sources]
    names = _told_apart(
        names, [f"{f}_{n}" for f, n in zip(folders, names, strict=True)]
    )
    endings = [source.name.removeprefix(stem_of(source)) for source in sources]
    endings = [_portable(ending) for ending in endings]
    plain = [ending.strip(".").replace(".", "_") for ending in endings]
    names = _told_apart(names, [f"{n}_{e}" for n, e in zip(names, plain, strict=True)])
    return _numbered([_cut(name) for name in names])


def same_file_name(name: str) -> str:
    """Return what two names have in common that are one name on some system."""
    return unicodedata.normalize("NFC", name).casefold()


def _portable(name: str) -> str:
    """Return a name that every system can have.

    With a colon in it, Windows would hide the results in a stream of another file.
    """
    return DEVICES.sub(r"_\g<0>", FORBIDDEN_IN_NAMES.sub("_", name))


def _cut(name: str) -> str:
    """Return a name, cut to what leaves room for the endings of the results."""
    whole = os.fsencode(name)
    if len(whole) <= LONGEST_BYTES:
        return name
    return whole[:LONGEST_BYTES].decode("utf-8", "ignore")


def _folder_name(source: ImagePlace) -> str:
    """Return the name of the folder a file is in."""
    if isinstance(source, S3Address):
        return source.folder_name
    return Path(full_address(source)).parent.name or "root"


def _told_apart(names: list[str], longer: list[str]) -> list[str]:
    """Return `names` with the longer form wherever a name occurs more than once."""
    count = Counter(same_file_name(name) for name in names)
    pairs = zip(names, longer, strict=True)
    return [long if count[same_file_name(name)] > 1 else name for name, long in pairs]


def _numbered(names: list[str]) -> list[str]:
    """Return `names` with _2, _3 ... behind those that came before."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 2
        while same_file_name(candidate) in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(same_file_name(candidate))
        result.append(candidate)
    return result
