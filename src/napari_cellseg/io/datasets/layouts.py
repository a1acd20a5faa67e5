"""The layouts of data sets that can be imported, and which one a folder has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.datasets.bbbc005 import find_bbbc005
from napari_cellseg.io.datasets.cellpose import find_cellpose
from napari_cellseg.io.datasets.coco import find_coco
from napari_cellseg.io.datasets.ctc import find_ctc
from napari_cellseg.io.datasets.dsb2018 import find_dsb2018
from napari_cellseg.io.datasets.manifest import is_dataset
from napari_cellseg.io.datasets.pairs import find_pairs
from napari_cellseg.io.datasets.sartorius import TABLE_NAME, find_sartorius
from napari_cellseg.io.datasets.source import Source, folder_is_there


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Attributes
    ----------
    name : str
        On the command line.
    find : callable
        Returns what it finds; raises `ImageReadError` if that is nothing.
    """

    name: str
    find: Callable[[Path], Source]


#: In the order in which they are tried: those that are easily told first.
LAYOUTS = (
    Layout("sartorius", find_sartorius),
    Layout("ctc", find_ctc),
    Layout("dsb2018", find_dsb2018),
    Layout("bbbc005", find_bbbc005),
    Layout("coco", find_coco),
    Layout("cellpose", find_cellpose),
    Layout("pairs", find_pairs),
)


def find_images(path: Path, layout: str = "auto") -> tuple[Source, str]:
    """Return the images of a folder and the name of its layout.

    Parameters
    ----------
    path : Path
        A folder, or a COCO file.
    layout : str
        Name of a layout; ``"auto"`` tries each.

    Raises
    ------
    ImageReadError
        If there is nothing that can be imported, or a data set: as pairs it would lose
        its split, its groups and what of it is checked.
    """
    folder_is_there(path)
    if is_dataset(path):
        raise ImageReadError(
            f"'{path}' is a data set already. Use it as it is, or copy its folder."
        )
    if path.is_file():
        layout = "coco" if layout == "auto" else layout
        if layout != "coco":
            raise ImageReadError(
                f"'{path}' is a file; the layout '{layout}' is a folder. Choose the folder."
            )
    for one in LAYOUTS:
        if layout == one.name:
            return _sorted(one.find(path)), one.name
        if layout == "auto" and _may_be(one.name, path):
            try:
                return _sorted(one.find(path)), one.name
            except ImageReadError:
                continue
    names = ", ".join(one.name for one in LAYOUTS)
    raise ImageReadError(
        f"'{path}' has no layout that is known. Name one with --layout ({names}); "
        "docs/datasets.md shows what each looks like."
    )


def _sorted(source: Source) -> Source:
    """Return what was found in the order of the names, whatever that of the files."""
    images = sorted(source.images, key=lambda one: (one.name, str(one.image)))
    return replace(source, images=tuple(images))


def _may_be(name: str, folder: Path) -> bool:
    """Say, at a glance, whether a folder may have a layout: some are slow to look for."""
    if name == "sartorius":
        return (folder / TABLE_NAME).is_file()
    if name in ("bbbc005", "coco", "dsb2018"):
        return not (folder / "images").is_dir() or name == "coco"
    return True
