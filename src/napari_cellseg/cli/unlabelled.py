"""Images that no command can use, since nobody has labelled them."""

from __future__ import annotations

from pathlib import Path

import typer

from napari_cellseg.io.dataset import unlabelled_in_folder


def tell_unlabelled(folder: Path) -> None:
    """Say which images of a folder have no mask, since they count for nothing."""
    names = unlabelled_in_folder(folder)
    if names:
        some = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        typer.echo(
            f"'{folder}': {len(names)} images have no mask and are left out ({some}).",
            err=True,
        )
