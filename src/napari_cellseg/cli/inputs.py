"""Which files a command works on, and what their results are called."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError

LABELS_SUFFIX = "_labels.tif"
#: Endings of two parts, taken off a file's name as one.
DOUBLE_SUFFIXES = (".ome.tif", ".ome.tiff", ".ome.zarr", ".ome.btf")


def stem_of(path: Path) -> str:
    """Return a file's name without its ending; ``.ome.tif`` counts as one ending."""
    name = path.name
    for suffix in DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return path.stem or name


def find_inputs(
    patterns: Sequence[str], list_images: Callable[[Path], Iterable[Path]]
) -> list[Path]:
    """Return the files that files, folders and globs stand for, each one once.

    Parameters
    ----------
    patterns : sequence of str
        Paths, or globs such as ``"data/**/*.tif"``.
    list_images : callable
        Returns the readable images below a folder; results of an earlier run (names
        that end in ``_labels.tif``) are left out of them.

    Raises
    ------
    ImageReadError
        If a pattern stands for nothing at all.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = _matches(pattern)
        if not matches:
            raise ImageReadError(
                f"Nothing is called '{pattern}'. Give image files, folders, or a glob "
                "in quotes such as 'data/*.tif'."
            )
        for match in matches:
            found.update(dict.fromkeys(_expanded(match, list_images)))
    if not found:
        raise ImageReadError(
            f"There is no image in {', '.join(patterns)}; "
            "give a folder that holds image files."
        )
    return list(found)


def _matches(pattern: str) -> list[Path]:
    """Return what is called `pattern`, read as a name first and as a glob second."""
    if Path(pattern).exists() or Path(pattern).is_symlink():
        return [Path(pattern)]
    return [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - takes absolute patterns


def _expanded(path: Path, list_images: Callable[[Path], Iterable[Path]]) -> list[Path]:
    """Return the images in a folder, or the file itself."""
    if path.is_dir() and path.suffix.lower() != ".zarr":
        images = sorted(list_images(path))
        return [image for image in images if not image.name.endswith(LABELS_SUFFIX)]
    return [path]


def plan_names(sources: Sequence[Path]) -> list[str]:
    """Return a name for the results of each source, all different.

    A stem that several sources share gets the folder in front, then the ending behind,
    then a number; case does not tell names apart, as on Windows and macOS.
    """
    names = [stem_of(source) for source in sources]
    folders = [_folder_name(source) for source in sources]
    names = _told_apart(names, [f"{f}_{n}" for f, n in zip(folders, names, strict=True)])
    endings = [source.name.removeprefix(stem_of(source)) for source in sources]
    plain = [ending.strip(".").replace(".", "_") for ending in endings]
    names = _told_apart(names, [f"{n}_{e}" for n, e in zip(names, plain, strict=True)])
    return _numbered(names)


def _folder_name(source: Path) -> str:
    """Return the name of the folder a file is in."""
    return source.absolute().parent.name or "root"


def _told_apart(names: list[str], longer: list[str]) -> list[str]:
    """Return `names` with the longer form wherever a name occurs more than once."""
    count = Counter(name.casefold() for name in names)
    pairs = zip(names, longer, strict=True)
    return [long if count[name.casefold()] > 1 else name for name, long in pairs]


def _numbered(names: list[str]) -> list[str]:
    """Return `names` with _2, _3 ... behind those that came before."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 2
        while candidate.casefold() in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate.casefold())
        result.append(candidate)
    return result
