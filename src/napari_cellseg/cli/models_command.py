"""``cellseg models list | show | import | export | remove``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="The models on this computer.")
Format = Literal["zip", "onnx", "onnx-int8"]
Name = Annotated[str, typer.Argument(help="Name of a model.")]


@app.command("list")
def list_all() -> None:
    """List the models; * is the one that the dock begins with, other programs' come last."""
    from napari_cellseg.io.models import store as model_store
    from napari_cellseg.io.models.folder import list_models, unreadable_models
    from napari_cellseg.nn.adapters import adapter_specs, missing_programs

    first = model_store.promoted()
    for folder, spec in list_models():
        mark = "*" if spec.name == first else " "
        typer.echo(f"{mark} {spec.name:24} {spec.weights_sha256[:12]}  {folder}")
    for _, error in unreadable_models():
        typer.echo(f"! {error}")
    for spec in adapter_specs():
        typer.echo(f"  {spec.name:38} {spec.licence}")
    for title, install in missing_programs():
        typer.echo(f"  {title} is not installed: {install}")


@app.command()
def show(name: Name) -> None:
    """Print what a model is: data, licence, figures, digest, parent."""
    from napari_cellseg.nn.inference.known import known_model

    typer.echo(known_model(name)[1].to_json().rstrip())


@app.command("import")
def take_in(
    source: Annotated[Path, typer.Argument(help="A model folder, or a zip of one.")],
    *,
    rename: Annotated[
        bool, typer.Option("--rename", help="Add a number where its name is taken.")
    ] = False,
) -> None:
    """Take a model in; its weights are checked against its digest first."""
    from napari_cellseg.io.models import store as model_store
    from napari_cellseg.nn.weights import load_model

    with model_store.unpacked(source) as folder:
        load_model(folder)
        name = model_store.take_in(folder, is_renamed=rename)
    typer.echo(f"'{name}' can be used now.")


@app.command()
def export(
    name: Name,
    out: Annotated[Path, typer.Argument(help="File to write.")],
    *,
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="zip: to hand on and import; onnx, onnx-int8: for other runtimes.",
        ),
    ] = "zip",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is there.")
    ] = False,
) -> None:
    """Write a model into one file: a zip to hand on, or ONNX for other programs."""
    from napari_cellseg.batch.names import refuse_to_replace
    from napari_cellseg.io.models import store as model_store
    from napari_cellseg.io.models.folder import find_model

    folder = find_model(name)
    refuse_to_replace([out], overwrite=overwrite)
    if format_ == "zip":
        model_store.pack(folder, out)
    else:
        from napari_cellseg.nn.inference.exporting import export_model

        export_model(folder, out, is_int8=format_ == "onnx-int8")
    typer.echo(f"'{name}' is in '{out}'.")


@app.command()
def remove(name: Name) -> None:
    """Delete one of your own models; those that ship stay."""
    from napari_cellseg.io.models import store as model_store

    model_store.remove(name)
    typer.echo(f"'{name}' is gone.")
