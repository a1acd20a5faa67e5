"""``cellseg doctor``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.core.finding import Finding

MARKS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


def doctor(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Images to look at: do they open, is the pixel size known?"
        ),
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder that results would go to.")
    ] = Path(),
) -> None:
    """Check this computer: graphics card, torch, Qt, model, disk, and image files.

    Each line says what was found and, if need be, what to do. Exit code 1 if there is a
    problem; warnings do not count.
    """
    from napari_cellseg.doctor import examine

    show_findings(examine(files or [], out))


def show_findings(findings: Iterable[Finding]) -> None:
    """Print what was found and, if need be, what to do; exit code 1 if there is a problem."""
    n_problems = 0
    for finding in findings:
        n_problems += finding.state == "problem"
        typer.echo(f"{MARKS[finding.state]}  {finding.subject}: {finding.seen}")
        if finding.remedy:
            typer.echo(f"         -> {finding.remedy}")
    if n_problems:
        raise typer.Exit(1)
