"""``cellseg project new | add | info | labels``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="Projects: images and their corrected cells."
)
Folder = Annotated[Path, typer.Argument(help="NAME.cellseg")]
Images = Annotated[list[str], typer.Argument(help="Image files, folders, or globs.")]


@app.command()
def new(folder: Folder, images: Images) -> None:
    """Make a project of images; they stay where they are."""
    from napari_cellseg.io.paths import list_images
    from napari_cellseg.project.store import create_project

    paths = list_images(images)
    with create_project(folder) as project:
        n_new = project.add_images(paths)
        typer.echo(f"{n_new} images in '{project.folder}'.")


@app.command()
def add(folder: Folder, images: Images) -> None:
    """Add images to a project."""
    from napari_cellseg.io.paths import list_images
    from napari_cellseg.project.store import open_project

    paths = list_images(images)
    with open_project(folder) as project:
        typer.echo(f"{project.add_images(paths)} images added.")


@app.command()
def info(folder: Folder) -> None:
    """Say what a project holds."""
    from napari_cellseg.project.store import open_project, project_facts

    with open_project(folder, read_only=True) as project:
        for name, value in project_facts(project).items():
            typer.echo(f"{name:16} {value}")


@app.command()
def labels(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the TIFFs.")],
) -> None:
    """Write the labels of every image as NAME_labels.tif."""
    from napari_cellseg.io.images import read_image
    from napari_cellseg.io.labels_file import write_labels
    from napari_cellseg.project.store import open_project

    out.mkdir(parents=True, exist_ok=True)
    with open_project(folder, read_only=True) as project:
        for image in project.images():
            if not image.has_labels:
                continue
            opened = project.open_labels(image.image_id)
            size = None if image.is_missing else read_image(image.path).pixel_size
            path = out / f"{Path(image.name).stem}_labels.tif"
            write_labels(path, opened.labels, axes=image.labels_axes, pixel_size=size)
            typer.echo(str(path))
