"""Cells of a project to files of other programs, and from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from napari_cellseg.core.editing.cell_notes import CellNotes, with_notes
from napari_cellseg.core.editing.classes import with_classes
from napari_cellseg.core.editing.edits import Edit, Source, is_empty
from napari_cellseg.core.editing.importing import (
    Import,
    ImportedCells,
    ImportMode,
    import_cells,
    untouched_areas,
)
from napari_cellseg.core.editing.lineage_steps import Lineage, parents_difference
from napari_cellseg.core.errors import CellsegError, ProjectError
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.labels.on_disk import is_large
from napari_cellseg.core.measuring.measure import measure_cells
from napari_cellseg.core.tracking.tracks import parents_after
from napari_cellseg.core.types import LABELS_DTYPE, CellImage
from napari_cellseg.io.exchange.cells import Cells, measurements_of
from napari_cellseg.io.exchange.cells_file import cells_for_coco
from napari_cellseg.io.exchange.coco import CocoFile, write_coco_images
from napari_cellseg.io.exchange.formats import (
    COCO,
    COCO_NAME,
    Format,
    ImageFrame,
    format_of,
    image_stem,
    read_cells,
)
from napari_cellseg.io.reading.images import probe, read_image
from napari_cellseg.project.cells.lineage import LineageNotes
from napari_cellseg.project.cells.review import ReviewNotes
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.labels.new_labels import ORDER, NewLabels
from napari_cellseg.project.large_import import import_large, refuse_over_cells
from napari_cellseg.project.store import Project

#: The format that holds measurements.
MEASURED = "geojson"


@dataclass(frozen=True, slots=True)
class ExchangeReport:
    """What was written or read.

    Attributes
    ----------
    done : tuple of str
        A line for each file.
    notes : tuple of str
        What was lost or left out, each sentence once.
    failed : tuple of str
        A sentence for each image that could not be done; the others are.
    """

    done: tuple[str, ...]
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def cells_of_image(
    project: Project, image: ProjectImage, *, is_measured: bool = False
) -> Cells:
    """Return the cells that a project has of an image.

    Of an image that is gone or cannot be read there is neither pixel size nor brightness.

    Parameters
    ----------
    project : Project
        Open, to read only or to write.
    image : ProjectImage
        One with labels.
    is_measured : bool
        Whether each cell is measured, which takes a while.

    Raises
    ------
    ProjectError
        If the labels cannot be read.
    """
    opened = project.open_labels(image.image_id)
    pixels = pixels_of(image, opened.labels.shape)
    cells = Cells(
        opened.labels,
        image.labels_axes,
        image.name,
        None if pixels is None else pixels.pixel_size,
        opened.sources,
        opened.confidence,
        opened.classes,
    )
    if not is_measured:
        return cells
    table = measure_cells(
        pixels, cells.labels, sources=cells.sources, confidence=cells.confidence
    )
    return replace(cells, measurements=measurements_of(table))


def pixels_of(image: ProjectImage, shape: tuple[int, ...]) -> CellImage | None:
    """Return an image of a project, or None if it is gone, damaged or of another size."""
    if image.is_missing:
        return None
    try:
        pixels = read_image(image.address)
    except CellsegError:
        return None
    return pixels if pixels.labels_shape == shape else None


def images_with_cells(
    project: Project, names: Sequence[str] = ()
) -> list[ProjectImage]:
    """Return the images that have cells, those with some names only, or all for none.

    Raises
    ------
    ProjectError
        If there is none, or one of the names is unknown.
    """
    images = [image for image in _named(project, names) if image.has_labels]
    if not images:
        raise ProjectError(
            f"No image of {project.name} has cells yet; segment one, or import cells."
        )
    return images


def export_images(
    project: Project, images: Mapping[str, ProjectImage], one: Format, folder: Path
) -> Job[ExchangeReport]:
    """Write the cells of images to files; one that fails stops no other.

    Parameters
    ----------
    project : Project
        Open, to read only or to write.
    images : mapping of str to ProjectImage
        By the name of their file, without its ending.
    one : Format
        In which; of COCO, one file holds all images.
    folder : Path
        Must exist.

    Raises
    ------
    SaveError
        If the one file of COCO cannot be written.
    """
    done: list[str] = []
    failed: list[str] = []
    notes: list[str] = []
    if one.name == COCO:
        planes = cells_for_coco(
            images.values(), partial(cells_of_image, project), failed
        )
        notes += yield from write_coco_images(folder / COCO_NAME, planes, len(images))
        return ExchangeReport((str(folder / COCO_NAME),), tuple(notes), tuple(failed))
    for place, (name, image) in enumerate(images.items()):
        yield Progress(place, len(images), image.name)
        path = folder / f"{name}{one.suffix}"
        try:
            cells = cells_of_image(project, image, is_measured=one.name == MEASURED)
            notes += one.write(path, cells)
        except CellsegError as error:
            failed.append(f"{image.name}: {error}")
        else:
            done.append(str(path))
    return ExchangeReport(tuple(done), tuple(dict.fromkeys(notes)), tuple(failed))


@dataclass(frozen=True, slots=True)
class ImportChoice:
    """How files of cells are taken into a project.

    Attributes
    ----------
    mode : ImportMode
        What becomes of the cells that are there.
    unknown : Source
        Who made cells of which the file says nothing.
    image : str
        Name of the image that they belong to; "" finds it by the file's name.
    """

    mode: ImportMode = "replace"
    unknown: Source = "model"
    image: str = ""


def import_into_project(
    project: Project, files: Sequence[Path], choice: ImportChoice
) -> Job[ExchangeReport]:
    """Take cells from files into a project, one journaled edit an image.

    Parameters
    ----------
    project : Project
        Open to write.
    files : sequence of Path
        Of any format; the image is found by the file's name, of COCO by the names in it.
    choice : ImportChoice
        How.

    Raises
    ------
    ProjectError
        If `choice.image` is not in the project.
    """
    images = _named(project, [choice.image] if choice.image else [])
    done, failed, notes = [], [], []
    for place, path in enumerate(files):
        yield Progress(place, len(files), path.name)
        try:
            targets = images if choice.image else _images_of_file(images, path)
            for image in targets:
                large = _large_frame(project, image)
                if large is not None:
                    done.append(
                        (yield from _large(project, image, large, path, choice))
                    )
                    continue
                line, found_notes = _import_one(project, image, path, choice)
                done.append(line)
                notes += [f"{path.name}: {note}" for note in found_notes]
        except CellsegError as error:
            failed.append(f"{path.name}: {error}")
    return ExchangeReport(tuple(done), tuple(dict.fromkeys(notes)), tuple(failed))


def _named(project: Project, names: Sequence[str]) -> list[ProjectImage]:
    """Return the images with these names, in the order of the project; all for none."""
    images = project.images()
    unknown = set(names) - {image.name for image in images}
    if unknown:
        raise ProjectError(
            f"{project.name} has no image {', '.join(sorted(unknown))}. `cellseg project "
            "add` adds it."
        )
    return [image for image in images if not names or image.name in names]


def _images_of_file(images: Sequence[ProjectImage], path: Path) -> list[ProjectImage]:
    """Return the images that a file has cells of; raises where there is none."""
    if format_of(path).name == COCO:
        stems = {Path(one.base_name).stem for one in CocoFile(path).images}
    else:
        stems = {image_stem(path)}
    found = [image for image in images if image_stem(Path(image.name)) in stems]
    if not found:
        raise ProjectError(
            f"no image of the project is called '{min(stems, default='')}'. Name it with "
            "--image."
        )
    if len({image.name for image in found}) < len(found):
        raise ProjectError(
            f"several images of the project are called '{found[0].name}'; their cells "
            "can be imported in the window only."
        )
    return found


def _large_frame(project: Project, image: ProjectImage) -> ImageFrame | None:
    """Return what cells must fit on an image whose labels stay on disk, else None."""
    if image.has_labels:
        shape, axes = project.labels_frame(image.image_id)[0], image.labels_axes
    else:
        found = probe(image.address)
        sizes = dict(zip(found.axes, found.shape, strict=True))
        axes = "".join(one for one in ORDER if one in sizes)
        shape = tuple(sizes[one] for one in axes)
    return ImageFrame(shape, axes, image.name) if is_large(shape) else None


def _large(
    project: Project,
    image: ProjectImage,
    frame: ImageFrame,
    path: Path,
    choice: ImportChoice,
) -> Job[str]:
    """Take the cells of a file into an image whose labels stay on disk."""
    if project.has_cells(image.image_id):
        raise refuse_over_cells(frame)
    if choice.unknown != "model":
        raise ProjectError(
            "on an image of this size cells count as a model's; leave --by-hand off."
        )
    return (yield from import_large(project, image.image_id, path, frame))


def _import_one(
    project: Project, image: ProjectImage, path: Path, choice: ImportChoice
) -> tuple[str, tuple[str, ...]]:
    """Take the cells of a file into one image; return what was done, and notes."""
    if image.has_labels:
        labels = project.open_labels(image.image_id).labels
        frame, pixels = ImageFrame(labels.shape, image.labels_axes, image.name), None
    else:
        pixels = read_image(image.address)
        frame = ImageFrame(pixels.labels_shape, pixels.labels_axes, image.name)
    found = read_cells(path, frame)
    if pixels is not None:
        _start_empty(project, image, pixels)
    opened = project.open_labels(image.image_id)
    cells = ImportedCells(found.labels, found.sources, path.name, found.classes)
    taken = import_cells(
        opened.labels, opened.sources, cells, choice.mode, choice.unknown
    )
    edit = with_classes(taken.edit, opened.labels, opened.classes, taken.classes)
    if is_empty(edit) and not edit.sources_after:
        return f"{image.name}: nothing new in {path.name}", found.notes
    opened.journal.lineage_after = _Following(project.lineage(image.image_id)).after
    _take(project.review(image.image_id), opened, replace(taken, edit=edit))
    if opened.journal.problem:
        raise ProjectError(opened.journal.problem)
    left = f", {taken.n_left_out} lay on others" if taken.n_left_out else ""
    return f"{image.name}: {taken.n_cells} cells from {path.name}{left}", found.notes


class _Following:
    """Lets parents follow an edit; its undo, in any later session, brings them back."""

    def __init__(self, notes: LineageNotes) -> None:
        self._notes = notes

    def after(self, edit: Edit) -> Lineage | None:
        """Return what they are after an edit, None where nothing changes."""
        before = self._notes.parents()
        after = parents_after(edit, before)
        if after == before:
            return None
        difference = parents_difference(after, before)
        return Lineage(after, {**self._notes.steps(), edit.made_at: difference})


def _take(review: ReviewNotes, opened: ProjectLabels, taken: Import) -> None:
    """Write an import; what was known of a cell whose number is given again goes."""
    before = CellNotes(opened.confidence, review.states(), tuple(review.areas()))
    areas = untouched_areas(before.areas or (), taken.edit, opened.labels.shape)
    after = replace(before.without(taken.changed_ids), areas=tuple(areas))
    opened.take(with_notes(taken.edit, before, after))
    opened.write()
    states = {cell: after.states.get(cell, "unseen") for cell in before.states}
    review.save(states, areas)


def _start_empty(project: Project, image: ProjectImage, pixels: CellImage) -> None:
    """Give an image labels without a cell, so that the import can be undone."""
    empty = np.zeros(pixels.labels_shape, LABELS_DTYPE)
    new = NewLabels(empty, pixels.labels_axes, pixel_size=pixels.pixel_size)
    project.start_labels(image.image_id, new)
