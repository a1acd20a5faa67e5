"""Which cells of a project stay in memory: those that are shown, and the last few."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeAlias

from napari_cellseg.controllers.labels.cell_labels import CellLabels
from napari_cellseg.core.errors import ProjectError
from napari_cellseg.core.jobs import Job
from napari_cellseg.project.labels.labels import ProjectLabels
from napari_cellseg.project.store import Project

#: By the number of the image; the one that was looked at last stands last.
HeldLabels: TypeAlias = OrderedDict[int, tuple[CellLabels, ProjectLabels]]
#: Cells of images that were visited are kept up to this, to be there at once.
MAX_HELD_BYTES = 256 * 2**20


def release_saved(
    project: Project, held: HeldLabels, shown: Sequence[CellLabels]
) -> None:
    """Write and drop the cells that were looked at longest ago, until few enough are held.

    Parameters
    ----------
    project : Project
        Reads them again when they are asked for.
    held : HeldLabels
        Changed in place. Cells with steps that are not on the disk stay.
    shown : sequence of CellLabels
        Those that a layer shows; they stay.

    Raises
    ------
    ProjectError
        If some cannot be written; they stay.
    """
    n_bytes = sum(_n_bytes(*one) for one in held.values())
    for image_id, (cells, opened) in list(held.items()):
        if n_bytes <= MAX_HELD_BYTES:
            return
        if any(cells is one for one in shown):
            continue
        opened.write(cells.confidence)
        if not opened.journal.n_waiting:
            n_bytes -= _n_bytes(cells, opened)
            del held[image_id]
            project.forget_labels(image_id)


def write_held(held: HeldLabels) -> Job[str]:
    """Bring labels on disk up to their journals, a chunk a step.

    Returns why the last of those that could not be written could not, "" if all were.
    Labels that are let go in between are passed over.
    """
    problem = ""
    for image_id, (cells, opened) in list(held.items()):
        job = opened.writing(cells.confidence)
        try:
            while held.get(image_id, (None, None))[1] is opened:
                yield next(job)
        except StopIteration:
            pass
        except ProjectError as error:
            problem = str(error)
        finally:
            job.close()
        problem = opened.journal.problem or problem
    return problem


def _n_bytes(cells: CellLabels, opened: ProjectLabels) -> int:
    """Return the bytes that the cells of an image take."""
    return int(cells.labels.nbytes) + opened.journal.n_bytes
