"""What kind a cell is, as a person says: a name such as "mitotic", or none.

A class belongs to the whole cell, on all its planes, and stays with it:

- another outline (brush, grow, smooth, fill) changes no class, another number takes it along;
- the parts of a cell that is split, and a daughter, have the class of the cell they came of;
- of cells that are merged the first says the class, where it has none the others do;
- a new cell of a model, or of a file without classes, has the class of the cell in whose
  place it lies: more than half of the smaller of the two is in the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.core.editing.cell_index import IndexedLabels, boxes_on, labels_of
from napari_cellseg.core.editing.edits import (
    Edit,
    apply_edit,
    is_empty,
    unchanged_pixel,
)
from napari_cellseg.core.editing.numbering import moved_keys, moved_numbers
from napari_cellseg.core.errors import EditError
from napari_cellseg.core.labels.boxes import pixel_counts, start_of
from napari_cellseg.core.labels.on_disk import is_on_disk
from napari_cellseg.core.types import Labels

#: By cell; one that is not in it has no class.
Classes: TypeAlias = Mapping[int, str]
#: What a new list offers; the person changes it.
FIRST_NAMES = ("mitotic", "dead")
#: Every cell is one, and COCO calls those without a class so.
NO_NAMES = ("cell", "no class", "none")
LONGEST_NAME = 40
#: More of the smaller of two cells in the other, and they are the same cell.
SAME_CELL_SHARE = 0.5


def checked_name(name: str) -> str:
    """Return the name of a class without blanks around it.

    Raises
    ------
    EditError
        If it is empty, too long, of several lines, or means that there is none.
    """
    clean = name.strip()
    if not clean or len(clean) > LONGEST_NAME or not clean.isprintable():
        raise EditError(
            f"A class has a name of 1 to {LONGEST_NAME} letters on one line; "
            f"'{clean[:LONGEST_NAME]}' has {len(clean)}. Choose another."
        )
    if clean.lower() in NO_NAMES:
        raise EditError(
            f"'{clean}' says nothing of a cell; choose another name, or 'no class'."
        )
    return clean


def assign_class(
    indexed: IndexedLabels, ids: Iterable[int], name: str, classes: Classes
) -> Edit:
    """Return the edit that gives cells a class; no pixel changes.

    Parameters
    ----------
    indexed : int32 array or CellIndex
        2-D to 4-D.
    ids : iterable of int
        Which cells; those that are of this class already do not matter.
    name : str
        The class; "" takes the class away.
    classes : mapping of int to str
        Of all cells, before.

    Raises
    ------
    EditError
        If none of the cells is there, or all are of this class.
    """
    found = boxes_on(indexed, ids, None)
    changed = [cell for cell in found if classes.get(cell, "") != name]
    if not changed:
        state = f"of the class '{name}'" if name else "without a class"
        which = "This cell is" if len(found) == 1 else f"These {len(found)} cells are"
        raise EditError(
            f"{which} {state} already; choose another class, or other cells."
        )
    done = f"class {name}" if name else "no class"
    place = start_of(found[changed[0]][0])
    after = dict.fromkeys(changed, name) if name else {}
    return replace(
        unchanged_pixel(labels_of(indexed), done, place),
        classes_before={cell: classes[cell] for cell in changed if cell in classes},
        classes_after=after,
    )


def updated_classes(classes: Classes, edit: Edit) -> dict[int, str]:
    """Return the classes of all cells after an edit."""
    updated = dict(classes)
    for cell in edit.classes_before.keys() - edit.classes_after.keys():
        updated.pop(cell, None)
    updated.update(edit.classes_after)
    return updated


def with_classes(
    edit: Edit, labels: Labels, classes: Classes, said: Classes | None = None
) -> Edit:
    """Return an edit with the classes of the cells that it changes.

    Parameters
    ----------
    edit : Edit
        Not yet written into the labels; one that has classes is returned as it is.
    labels : int32 array
        All labels, before the edit.
    classes : mapping of int to str
        Of all cells, before the edit.
    said : mapping of int to str
        What is known of cells after the edit, whatever they were before; "" is no class.
    """
    if edit.classes_before or edit.classes_after or not (classes or said):
        return edit
    after = {**_followed(edit, labels, classes), **(said or {})}
    return class_change(
        edit, labels, classes, {cell: name for cell, name in after.items() if name}
    )


def class_change(edit: Edit, labels: Labels, before: Classes, after: Classes) -> Edit:
    """Return an edit that also turns the classes of all cells from one into the other."""
    changed = {
        cell
        for cell in before.keys() | after.keys()
        if before.get(cell) != after.get(cell)
    }
    if changed and is_empty(edit):
        held = unchanged_pixel(labels, edit.name, (0,) * labels.ndim)
        edit = replace(edit, start=held.start, before=held.before, after=held.after)
    return replace(
        edit,
        classes_before={cell: before[cell] for cell in changed if cell in before},
        classes_after={cell: after[cell] for cell in changed if cell in after},
    )


def _followed(edit: Edit, labels: Labels, classes: Classes) -> dict[int, str]:
    """Return the classes after an edit as its pixels say."""
    if moved := moved_numbers(edit):
        return moved_keys(classes, moved)
    if is_empty(edit):
        return dict(classes)
    if edit.author == "model" and not is_on_disk(labels):
        after = labels.copy()
        apply_edit(after, edit)
        return _heirs(labels, after, classes, None)
    gone = edit.sources_before.keys() - edit.sources_after.keys()
    new = edit.sources_after.keys() - edit.sources_before.keys()
    kept = {cell: name for cell, name in classes.items() if cell not in gone}
    if not new and len(kept) == len(classes):
        return kept
    givers = classes.keys() & (set(edit.changed_ids) if new else gone)
    heirs = _heirs(
        edit.before, edit.after, {cell: classes[cell] for cell in givers}, gone
    )
    return {**heirs, **kept}


def _heirs(
    before: Labels, after: Labels, givers: Classes, gone: Collection[int] | None
) -> dict[int, str]:
    """Return the class of each cell of `after` that lies in the place of one with a class.

    A cell may come after several; the one that it shares most pixels with counts. Where
    `gone` is given, pixels that stay do not count, and a cell that was there before takes
    the class of one of `gone` only.
    """
    where = (before > 0) & (after > 0)
    if gone is not None:
        where &= before != after
    where &= np.isin(before, np.array(list(givers), np.int64))
    found: dict[int, str] = {}
    if not where.any():
        return found
    olds, news, shared = _pairs(before[where], after[where])
    n_before, n_after = pixel_counts(before), pixel_counts(after)
    for place in np.argsort(-shared, kind="stable").tolist():
        old, new = int(olds[place]), int(news[place])
        stays = gone is not None and new in n_before and old not in gone
        smaller = min(n_before[old], n_after[new])
        if not stays and shared[place] > SAME_CELL_SHARE * smaller:
            found.setdefault(new, givers[old])
    return found


def _pairs(
    olds: NDArray[np.int32], news: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return each pair of ids at one pixel, and the number of pixels that have it."""
    packed = (olds.astype(np.int64) << 32) | news.astype(np.int64)
    pairs, counts = np.unique(packed, return_counts=True)
    return pairs >> 32, pairs & 0xFFFFFFFF, counts.astype(np.int64)


def n_by_class(classes: Classes) -> dict[str, int]:
    """Return how many cells are of each class, the most frequent first."""
    counts: dict[str, int] = {}
    for name in classes.values():
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=_most_first))


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
