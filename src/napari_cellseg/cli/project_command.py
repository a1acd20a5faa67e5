"""``cellseg project new | add | info | labels | export | import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from napari_cellseg.project.exchange import ExchangeReport

app = typer.Typer(
    no_args_is_help=True, help="Projects: images and their corrected cells."
)
Folder = Annotated[Path, typer.Argument(help="NAME.cellseg")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that are there.")
]
Images = Annotated[
    list[str],
    typer.Argument(
        help="Image files, folders ('FOLDER/**/*.tif' for those below, too), globs in "
        "quotes, or s3://BUCKET/FOLDER."
    ),
]


@app.command()
def new(folder: Folder, images: Images) -> None:
    """Make a project of images; they stay where they are, also in S3."""
    from napari_cellseg.io.reading.paths import list_places
    from napari_cellseg.project.store import create_project

    places = list_places(images)
    with create_project(folder) as project:
        n_new = project.add_images(places)
        typer.echo(f"{n_new} images in '{project.folder}'.")


@app.command()
def add(folder: Folder, images: Images) -> None:
    """Add images to a project."""
    from napari_cellseg.io.reading.paths import list_places
    from napari_cellseg.project.store import open_project

    places = list_places(images)
    with open_project(folder) as project:
        typer.echo(f"{project.add_images(places)} images added.")


@app.command()
def relocate(
    folder: Folder,
    where: Annotated[
        str, typer.Argument(help="Folder or s3://BUCKET/FOLDER where they are now.")
    ],
) -> None:
    """Find images that have moved, also to S3 or from it."""
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.io.reading.paths import image_place
    from napari_cellseg.project.images.moved import find_moved
    from napari_cellseg.project.store import open_project

    with open_project(folder) as project:
        job = find_moved(project.table.sought(), image_place(where))
        n_found = project.table.move(run_with_bar(job))
        n_left = sum(image.is_missing for image in project.images())
        typer.echo(f"{n_found} images found, {n_left} files still missing.")


@app.command()
def info(folder: Folder) -> None:
    """Say what a project holds."""
    from napari_cellseg.project.facts import project_facts
    from napari_cellseg.project.store import open_project

    with open_project(folder, read_only=True) as project:
        for name, value in project_facts(project).items():
            typer.echo(f"{name:16} {value}")


@app.command()
def labels(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the TIFFs.")],
    *,
    overwrite: Overwrite = False,
) -> None:
    """Write the labels of every image as NAME_labels.tif."""
    from napari_cellseg.batch.names import plan_names, refuse_to_replace
    from napari_cellseg.io.atomic import make_folder
    from napari_cellseg.io.reading.images import read_image
    from napari_cellseg.io.writing.finished import LABELS_SUFFIX
    from napari_cellseg.io.writing.labels_file import write_labels
    from napari_cellseg.project.exchange import images_with_cells
    from napari_cellseg.project.store import open_project

    with open_project(folder, read_only=True) as project:
        images = images_with_cells(project)
        names = plan_names([image.place for image in images])
        paths = [out / f"{name}{LABELS_SUFFIX}" for name in names]
        refuse_to_replace(paths, overwrite=overwrite)
        make_folder(out)
        for image, path in zip(images, paths, strict=True):
            opened = project.open_labels(image.image_id)
            size = None if image.is_missing else read_image(image.address).pixel_size
            write_labels(path, opened.labels, axes=image.labels_axes, pixel_size=size)
            typer.echo(str(path))


FormatName = Literal["csv", "tiff", "zarr", "seg", "roi", "geojson", "coco"]


@app.command("export")
def export_cells(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the files.")],
    format_name: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help="csv: measurements; tiff, zarr: labels; seg: Cellpose; roi: ImageJ; "
            "geojson: QuPath; coco.",
        ),
    ] = "tiff",
    image: Annotated[
        list[str] | None, typer.Option(help="Name of an image; all if left out.")
    ] = None,
    *,
    overwrite: Overwrite = False,
) -> None:
    """Write the cells of the images for other programs."""
    from napari_cellseg.batch.names import plan_names, refuse_to_replace
    from napari_cellseg.batch.project_tables import TABLE_SUFFIX, TABLES, write_tables
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.io.atomic import make_folder
    from napari_cellseg.io.exchange.formats import COCO, COCO_NAME, format_named
    from napari_cellseg.project.exchange import export_images, images_with_cells
    from napari_cellseg.project.store import open_project

    with open_project(folder, read_only=True) as project:
        images = images_with_cells(project, image or ())
        names = plan_names([one.place for one in images])
        is_table = format_name == TABLES
        suffix = TABLE_SUFFIX if is_table else format_named(format_name).suffix
        files = [f"{name}{suffix}" for name in names]
        files = [COCO_NAME] if format_name == COCO else files
        refuse_to_replace([out / file for file in files], overwrite=overwrite)
        make_folder(out)
        named = dict(zip(names, images, strict=True))
        if is_table:
            _tell(run_with_bar(write_tables(project, named, out)))
        else:
            one = format_named(format_name)
            _tell(run_with_bar(export_images(project, named, one, out)))


@app.command("import")
def import_cells(
    folder: Folder,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Labels, Cellpose _seg.npy, ImageJ ROIs, GeoJSON or COCO; each finds its "
            "image by its name."
        ),
    ],
    *,
    image: Annotated[
        str, typer.Option(help="Name of the image that the one file belongs to.")
    ] = "",
    add: Annotated[
        bool, typer.Option("--add", help="Keep the cells that are there.")
    ] = False,
    by_hand: Annotated[
        bool,
        typer.Option(
            "--by-hand",
            help="A person drew or checked the cells: they are locked, and models may "
            "learn from them.",
        ),
    ] = False,
) -> None:
    """Take cells of other programs into a project; it can be undone in the window."""
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.project.exchange import ImportChoice, import_into_project
    from napari_cellseg.project.store import open_project

    if image and len(files) > 1:
        raise typer.BadParameter("--image needs a single file.")
    choice = ImportChoice(
        "add" if add else "replace", "hand" if by_hand else "model", image
    )
    with open_project(folder) as project:
        _tell(run_with_bar(import_into_project(project, files, choice)))


def _tell(report: ExchangeReport) -> None:
    """Print what was done; what failed goes to the error stream, with exit code 1."""
    for line in report.done:
        typer.echo(line)
    for line in report.notes:
        typer.echo(f"note: {line}")
    for line in report.failed:
        typer.echo(f"failed: {line}", err=True)
    if report.failed:
        raise typer.Exit(1)
