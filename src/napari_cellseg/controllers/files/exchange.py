"""Cells of the image in hand to files of other programs, and from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.batch.names import plan_names
from napari_cellseg.batch.project_tables import TABLES, write_tables
from napari_cellseg.controllers.files.export import Saved
from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.controllers.labels.cells_before import CellsBefore, cells_before
from napari_cellseg.controllers.labels.proofread import ProofreadController
from napari_cellseg.controllers.projects.project import ProjectController
from napari_cellseg.core.counted import counted
from napari_cellseg.core.editing.cell_notes import with_notes
from napari_cellseg.core.editing.classes import n_by_class, with_classes
from napari_cellseg.core.editing.edits import Edit, Source, apply_edit, is_empty
from napari_cellseg.core.editing.importing import (
    Import,
    ImportedCells,
    ImportMode,
    import_cells,
    untouched_areas,
)
from napari_cellseg.core.errors import ImageError, LabelsError
from napari_cellseg.core.jobs import Job, Progress, run
from napari_cellseg.core.labels.arrays import check_labels
from napari_cellseg.core.labels.rows import CellRows, find_rows
from napari_cellseg.core.measuring.measure import MeasurementTable
from napari_cellseg.core.types import LABELS_DTYPE, CellImage
from napari_cellseg.io.exchange.cells import Cells, FoundLabels, measurements_of
from napari_cellseg.io.exchange.formats import (
    Format,
    ImageFrame,
    format_named,
    read_cells,
)
from napari_cellseg.project.database.packing import packed_ahead
from napari_cellseg.project.exchange import (
    cells_of_image,
    export_images,
    images_with_cells,
)
from napari_cellseg.project.large_import import BY_BOXES
from napari_cellseg.project.store import open_project

#: Axes of labels without an image, by their number.
AXES_ALONE = {2: "YX", 3: "ZYX", 4: "TZYX"}


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Cells from a file, before anything was changed.

    Attributes
    ----------
    path : Path
        The file.
    image : CellImage
        What they were read for.
    found : FoundLabels
        They fit it.
    n_cells : int
        Number of cells.
    n_unknown : int
        Cells of which the file does not say who made them.
    """

    path: Path
    image: CellImage
    found: FoundLabels
    n_cells: int
    n_unknown: int


def cells_to_write(proofread: ProofreadController, image: CellImage | None) -> Cells:
    """Return a copy of the cells under correction, without their numbers.

    Raises
    ------
    LabelsError
        If there are none.
    """
    if proofread.labels is None:
        raise LabelsError("There are no cells to export yet. Segment the image first.")
    labels = proofread.labels.copy()
    fits = image is not None and image.labels_shape == labels.shape
    return Cells(
        labels,
        image.labels_axes if image is not None and fits else AXES_ALONE[labels.ndim],
        "" if image is None else file_name(image),
        image.pixel_size if image is not None and fits else None,
        dict(proofread.sources),
        proofread.model_confidence,
        dict(proofread.classes),
    )


def file_name(image: CellImage) -> str:
    """Return the name of the file that an image came from, or its own."""
    return Path(image.source).name or image.name


def write_cells(
    path: Path, one: Format, cells: Cells, table: MeasurementTable | None = None
) -> Job[Saved]:
    """Write cells in a format, with the numbers of a table; `SaveError`, `LabelsError`."""
    yield Progress(0, 0, f"writing {path.name}")
    if table is not None:
        cells = replace(cells, measurements=measurements_of(table))
    notes = one.write(path, cells)
    return Saved(" ".join([f"{path.name}.", *notes]), (path,))


def write_large(
    projects: ProjectController, image: CellImage | None, one: Format, path: Path
) -> Job[Saved]:
    """Return the job that writes cells on disk as labels, a box at a time.

    It reads them from the project, where every step was written before.

    Raises
    ------
    LabelsError
        If the project is closed, or the format needs all cells at once.
    """
    known = None if image is None else projects.image_at(image.source)
    if projects.project is None or known is None:
        raise LabelsError(
            "Cells of an image of this size are exported from their project. Open it again."
        )
    if one.name not in BY_BOXES:
        raise LabelsError(
            f"{one.title} needs all cells in memory at once, and those of an image of this "
            "size do not fit. Export labels as TIFF or OME-Zarr."
        )
    projects.write()
    return _large_job(projects.project.folder, known.image_id, one, path)


def _large_job(folder: Path, image_id: int, one: Format, path: Path) -> Job[Saved]:
    yield Progress(0, 0, "opening the project")
    with open_project(folder, read_only=True) as project:
        (image,) = (one for one in project.images() if one.image_id == image_id)
        saved = yield from write_cells(path, one, cells_of_image(project, image))
    return saved


def write_project(folder: Path, format_name: str, out: Path) -> Job[Saved]:
    """Write the cells of all images of a project, or their tables; none stops another.

    The project is opened a second time, to read only: its own connection belongs to the
    thread that opened it.

    Raises
    ------
    ProjectError
        If no image has cells.
    SaveError
        If the one file of COCO, or the summary, cannot be written.
    """
    yield Progress(0, 0, "opening the project")
    with open_project(folder, read_only=True) as project:
        images = images_with_cells(project)
        names = plan_names([image.place for image in images])
        named = dict(zip(names, images, strict=True))
        if format_name == TABLES:
            report = yield from write_tables(project, named, out)
        else:
            one = format_named(format_name)
            report = yield from export_images(project, named, one, out)
    noun = "table" if format_name == TABLES else "file"
    said = [f"{counted(len(report.done), noun)} in {out.name}.", *report.notes]
    if report.failed:
        said.append(
            f"{len(report.failed)} images failed; the first: {report.failed[0]}"
        )
    return Saved(" ".join(said), (out,))


def read_arrival(path: Path, image: CellImage | None) -> Job[Arrival]:
    """Read cells for an image; raises as `io.exchange.formats.read_cells`.

    Raises
    ------
    ImageError
        If no image is chosen.
    """
    if image is None:
        raise ImageError(
            "Cells lie on an image: open the image that they were made on, then import."
        )
    yield Progress(0, 0, f"reading {path.name}")
    frame = ImageFrame(image.labels_shape, image.labels_axes, file_name(image))
    found = read_cells(path, frame)
    ids = np.unique(found.labels)
    n_cells = int((ids > 0).sum())
    return Arrival(path, image, found, n_cells, n_cells - len(found.sources))


def arrival_of_layer(name: str, data: Any, image: CellImage) -> Arrival:
    """Return the cells of a layer as if they came from a file of its name.

    Raises
    ------
    LabelsError
        If it holds anything but ids.
    """
    labels = check_labels(np.array(data))
    n_cells = int((np.unique(labels) > 0).sum())
    return Arrival(Path(name), image, FoundLabels(labels), n_cells, n_cells)


def no_cells_yet(image: CellImage) -> CellLabels:
    """Return labels for an image without a cell, so that an import can be undone."""
    return CellLabels(np.zeros(image.labels_shape, LABELS_DTYPE))


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImport:
    """Cells that were read, ready to be taken.

    Attributes
    ----------
    before : CellsBefore
        The cells that they go into.
    edit : Edit
        Changes nothing if all are there already.
    rows : CellRows or None
        Where every cell lies afterwards, where that was looked for.
    said : str
        What was done, once it is.
    """

    before: CellsBefore
    edit: Edit
    rows: CellRows | None
    said: str


def take_arrival(
    proofread: ProofreadController, arrival: Arrival, mode: ImportMode, unknown: Source
) -> str:
    """Take cells into the labels under correction at once; return what was done.

    Raises
    ------
    LabelsError, EditError
        If they do not fit.
    """
    return take_import(proofread, run(preparation(proofread, arrival, mode, unknown)))


def preparation(
    proofread: ProofreadController, arrival: Arrival, mode: ImportMode, unknown: Source
) -> Job[PreparedImport]:
    """Return the job that finds what cells change of those under correction.

    Raises
    ------
    LabelsError, EditError
        If there are none; while it runs, if they do not fit.
    """
    if proofread.cells is None:
        raise LabelsError("There are no labels to import into. Choose the image first.")
    return _prepare(cells_before(proofread.cells), arrival, mode, unknown)


def _prepare(
    before: CellsBefore, arrival: Arrival, mode: ImportMode, unknown: Source
) -> Job[PreparedImport]:
    yield Progress(0, 0, "taking the cells")
    copied, found, name = before.on_a_copy(), arrival.found, arrival.path.name
    labels, notes = copied.labels, before.notes
    imported = ImportedCells(found.labels, found.sources, name, found.classes)
    taken = import_cells(labels, before.sources, imported, mode, unknown)
    edit = with_classes(taken.edit, labels, before.classes, taken.classes)
    if is_empty(edit):
        said = f"Nothing new in {name}: these cells are here already."
        return PreparedImport(before, edit, None, said)
    areas = notes.areas or ()
    kept = untouched_areas(areas, taken.edit, labels.shape)
    # A number may be given again; nobody has looked at the cell that has it now.
    after = replace(notes.without(taken.changed_ids), areas=tuple(kept))
    edit = with_notes(edit, notes, after)
    rows = None
    if not before.cells.is_large:  # then it is a copy
        apply_edit(labels, edit)
        rows, edit = find_rows(labels), packed_ahead(edit)
    said = _said(taken, found, name, len(areas) - len(kept))
    return PreparedImport(before, edit, rows, said)


def _said(taken: Import, found: FoundLabels, name: str, n_areas: int) -> str:
    """Return what an import does, in words."""
    n_cells = counted(taken.n_cells, "cell")
    said = [f"{n_cells} imported from {name}; undo takes that back."]
    if taken.n_left_out:
        said.append(f"{taken.n_left_out} lay on cells of yours and were left out.")
    if counts := n_by_class(found.classes):
        kinds = ", ".join(f"{n} {name}" for name, n in counts.items())
        said.append(f"Classes: {kinds}.")
    if n_areas:
        said.append(f"{n_areas} checked areas changed and are checked no more.")
    return " ".join([*said, *found.notes])


def take_import(proofread: ProofreadController, prepared: PreparedImport) -> str:
    """Make the edit of an import whose `before` still holds; return what was done."""
    cells, edit = prepared.before.cells, prepared.edit
    if not is_empty(edit):
        cells.around_runs[edit.made_at] = (cells.confidence, cells.deleted)
        proofread.apply(edit, rows=prepared.rows)
    return prepared.said
