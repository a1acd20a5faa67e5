"""``cellseg dataset import | info | check | split | export``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_cellseg.cli.flags import takes_options
from napari_cellseg.core.counted import counted
from napari_cellseg.core.dataset_options import SplitOptions

app = typer.Typer(
    no_args_is_help=True, help="Data sets: labelled images to train and evaluate on."
)
Folder = Annotated[Path, typer.Argument(help="Folder of a data set (dataset.json).")]
LayoutName = Literal[
    "auto", "pairs", "dsb2018", "bbbc005", "coco", "sartorius", "cellpose", "ctc", "project"
]  # fmt: skip
FormatName = Literal["tiff", "zarr", "seg", "roi", "geojson", "coco"]
#: So many sentences of one kind are printed; the rest is counted.
MAX_SHOWN = 10


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(help="Folder, COCO file, or project NAME.cellseg.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")],
    *,
    layout: Annotated[
        LayoutName,
        typer.Option(help="What the folder looks like; see docs/datasets.md."),
    ] = "auto",
    channel: Annotated[
        int | None,
        typer.Option(help="Of a project: channel that shows the cells, from 0."),
    ] = None,
) -> None:
    """Copy labelled images into one plain layout, with a manifest."""
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.io.datasets.importing import import_dataset
    from napari_cellseg.io.datasets.layouts import find_images
    from napari_cellseg.project.store import SUFFIX
    from napari_cellseg.project.training.dataset import import_project

    if layout == "project" or (layout == "auto" and source.suffix == SUFFIX):
        done = run_with_bar(import_project(source, out, channel))
    else:
        found, name = find_images(source, layout)
        done = run_with_bar(import_dataset(found, source, out, name))
    _show("note", done.notes)
    _show("left out", done.failed)
    n_cells = sum(one.n_cells for one in done.manifest.images)
    what = done.manifest.provenance["layout"]
    typer.echo(
        f"{len(done.manifest.images)} images, {n_cells:,} cells in '{out}' ({what})."
    )
    if done.failed:
        raise typer.Exit(1)


@app.command()
def info(folder: Folder) -> None:
    """Say what a data set holds."""
    from napari_cellseg.io.datasets.facts import dataset_facts
    from napari_cellseg.io.datasets.manifest import read_manifest

    for line in dataset_facts(read_manifest(folder)):
        typer.echo(line)


@app.command()
def check(folder: Folder) -> None:
    """Look for what would make a training wrong; exit code 1 if something does."""
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.io.datasets.checking import check_dataset
    from napari_cellseg.io.datasets.manifest import read_manifest

    manifest = read_manifest(folder)
    problems = run_with_bar(check_dataset(folder, manifest))
    for kind in dict.fromkeys(problem.kind for problem in problems):
        found = [problem for problem in problems if problem.kind == kind]
        _show(found[0].weight, [problem.text for problem in found])
    counts = Counter(problem.weight for problem in problems)
    typer.echo(
        f"{counted(len(manifest.images), 'image')}: {counted(counts['error'], 'error')}, "
        f"{counted(counts['warning'], 'warning')}."
    )
    if counts["error"]:
        raise typer.Exit(1)


@app.command()
@takes_options("options", SplitOptions)
def split(
    folder: Folder,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Replace the split that is there.")
    ] = False,
    options: SplitOptions,
) -> None:
    """Part a data set into train, val and test, the same on every computer."""
    from napari_cellseg.core.errors import OptionsError
    from napari_cellseg.io.datasets.manifest import read_manifest, write_manifest
    from napari_cellseg.io.datasets.splitting import counts_by_split, split_dataset

    manifest = read_manifest(folder)
    if any(one.split for one in manifest.images) and not again:
        raise OptionsError(
            f"'{folder}' has a split already; --again replaces it. Figures on another "
            "split cannot be compared."
        )
    parted = split_dataset(manifest, options)
    write_manifest(folder, parted)
    groups = counted(len({one.group for one in parted.images}), "group")
    counts = counts_by_split(parted)
    typer.echo(
        f"{counted(len(parted.images), 'image')} in {groups}: "
        + ", ".join(f"{n} {side}" for side, n in counts.items())
    )
    for side, share in (("train", 1), ("val", options.val), ("test", options.test)):
        if share and not counts[side]:
            typer.echo(
                f"note: no image is in {side}. Take another --salt, or import more "
                f"groups; there {'is' if groups == '1 group' else 'are'} {groups}."
            )


@app.command()
def export(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the files.")],
    *,
    format_name: Annotated[
        FormatName,
        typer.Option(
            "--format",
            help="tiff, zarr: labels; seg: Cellpose; roi: ImageJ; geojson: QuPath; coco.",
        ),
    ] = "coco",
    split: Annotated[
        Literal["all", "train", "val", "test"], typer.Option(help="Which side.")
    ] = "all",
    images: Annotated[
        bool, typer.Option("--images", help="Copy the images as well.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files that are there.")
    ] = False,
) -> None:
    """Write the labels of a data set for other programs."""
    from napari_cellseg.batch.names import refuse_to_replace
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.io.datasets.exporting import export_dataset, exported_paths
    from napari_cellseg.io.datasets.manifest import read_manifest
    from napari_cellseg.io.exchange.formats import format_named

    chosen = read_manifest(folder).in_split(split)
    one = format_named(format_name)
    paths = exported_paths(chosen, one, out, with_images=images)
    refuse_to_replace(paths, overwrite=overwrite)
    job = export_dataset(folder, chosen, one, out, with_images=images)
    done = run_with_bar(job)
    _show("note", done.notes)
    _show("failed", done.failed)
    typer.echo(f"{counted(done.n_files, 'file')} in '{out}'.")
    if done.failed:
        raise typer.Exit(1)


def _show(word: str, lines: Iterable[str]) -> None:
    """Print the first of many lines, and how many more there are."""
    found = list(lines)
    for line in found[:MAX_SHOWN]:
        typer.echo(f"{word}: {line}")
    if len(found) > MAX_SHOWN:
        typer.echo(f"{word}: … and {len(found) - MAX_SHOWN} more like this")
