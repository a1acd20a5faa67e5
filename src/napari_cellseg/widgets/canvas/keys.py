"""Every key of the dock, stated once: buttons, bindings and the help sheet come from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_cellseg.widgets.canvas.gestures import GestureKind

ToolName = Literal[
    "add",
    "find",
    "delete",
    "merge",
    "split",
    "split_auto",
    "set_class",
    "grow",
    "shrink",
    "smooth",
    "fill_holes",
    "cut_hole",
    "delete_region",
    "small",
    "new_number",
    "number_anew",
    "copy_next",
    "interpolate",
    "check",
    "check_all",
]
Group = Literal["cells", "shape", "many", "planes", "review"]
GROUP_TITLES: dict[Group, str] = {
    "cells": "Cells",
    "shape": "Shape of a cell",
    "many": "Many cells, numbers",
    "planes": "To other planes or time points",
    "review": "Review",
}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it stands on its button.

    Attributes
    ----------
    key : str
        As napari writes it; none that napari uses on labels layers or on the viewer.
    gesture : GestureKind or None
        What is done with the mouse; None for a tool that acts at once.
    hint : str
        What to do with the mouse, shown while the tool is active.
    """

    name: ToolName
    title: str
    key: str
    group: Group
    gesture: GestureKind | None
    hint: str


TOOLS = (
    Tool("add", "Add cell", "A", "cells", "outline",
         "Draw around a cell that is missing."),
    Tool("find", "Find cell", "G", "cells", "box",
         "Click a cell that the model has missed, or drag a box around it: its outline "
         "is found with the model's eyes."),
    Tool("delete", "Delete cell", "D", "cells", "click", "Click a cell to delete it."),
    Tool("merge", "Merge two", "J", "cells", "line",
         "Drag from one cell to the other, or click both; the first keeps its number."),
    Tool("split", "Split cell", "K", "cells", "path", "Drag a line right across a cell."),
    Tool("split_auto", "Split by itself", "T", "cells", "click",
         "Click two cells that were taken for one: they are split at the waist."),
    Tool("set_class", "Set class", "Shift-K", "cells", "box",
         "Click a cell, or drag a box around several, to say of what kind they are: "
         "they get the class beside the button."),
    Tool("grow", "Grow", ".", "shape", "click",
         "Click a cell to grow it by a pixel; it never eats its neighbours."),
    Tool("shrink", "Shrink", ",", "shape", "click",
         "Click a cell to shrink it by a pixel."),
    Tool("smooth", "Smooth edge", "O", "shape", "click",
         "Click a cell to smooth its edge."),
    Tool("fill_holes", "Fill holes", "H", "shape", "click",
         "Click a cell, or into a hole of it, to fill its holes."),
    Tool("cut_hole", "Cut hole", "U", "shape", "outline",
         "Draw inside a cell; what you encircle becomes background."),
    Tool("delete_region", "Delete region", "R", "many", "outline",
         "Draw around the cells to delete."),
    Tool("small", "Remove small", "Q", "many", None,
         "Delete every cell below the smallest area set beside."),
    Tool("new_number", "New number", "Shift-N", "many", "click",
         "Click a cell to give it a number of its own."),
    Tool("number_anew", "Number 1…n", "Shift-R", "many", None,
         "Number all cells from 1 on, without gaps."),
    Tool("copy_next", "Copy to next", "Shift-I", "planes", "click",
         "Click a cell to copy it to the next plane, which is shown then."),
    Tool("interpolate", "Fill between", "I", "planes", "click",
         "Click a cell that is missing on planes between its own; or click it on one "
         "plane, go to another, and click it there."),
    Tool("check", "Mark checked", "C", "review", "outline",
         "Draw around an area in which you have put every cell right. Training learns "
         "from it, and a new run leaves it as it is."),
    Tool("check_all", "Mark all", "Shift-A", "review", None,
         "Every cell that you see is right, and none is missing: mark the whole image as "
         "checked, of a stack the plane that is shown."),
)  # fmt: skip

SEGMENT_KEY = "S"
NEXT_KEY, RIGHT_KEY, WRONG_KEY = "N", "Y", "W"
MISSING_KEY = "Shift-G"
HELP_KEY = "?"
#: The digits are napari's.
NEXT_CLASS_KEY = "Shift-L"
#: What a new run changed: go on, take it, keep the old.
CHANGE_KEY, NEW_KEY, OLD_KEY = "Shift-E", "Shift-Y", "Shift-W"
#: Through time: the same cell as, the daughter of, cut.
SAME_KEY, DAUGHTER_KEY, CUT_KEY = "Shift-T", "Shift-D", "Shift-C"

#: The rest of our keys: what each does, by heading.
ACTIONS = (
    ("Cells", NEXT_CLASS_KEY, "Next class to set"),
    ("Review", NEXT_KEY, "Next doubtful cell"),
    ("Review", MISSING_KEY, "Next place where a cell may be missing"),
    ("Review", RIGHT_KEY, "It is right: lock or add it and go on"),
    ("Review", WRONG_KEY, "It is no cell: delete or leave it and go on"),
    ("After a new run", CHANGE_KEY, "Next change"),
    ("After a new run", NEW_KEY, "Take the new"),
    ("After a new run", OLD_KEY, "Keep the old"),
    ("Through time", SAME_KEY, "Same cell as one on an earlier frame"),
    ("Through time", DAUGHTER_KEY, "Daughter of one on an earlier frame"),
    ("Through time", CUT_KEY, "Another cell from this frame on"),
    ("Anywhere", SEGMENT_KEY, "Segment"),
    ("Anywhere", "Ctrl-Z", "Undo, every step since the beginning"),
    ("Anywhere", "Ctrl-Shift-Z", "Redo"),
    ("Anywhere", "Escape", "Put the tool back"),
    ("Anywhere", HELP_KEY, "This sheet"),
)
#: Keys of napari that are of use here; we take none of them.
NAPARI_KEYS = (
    ("1", "Eraser"),
    ("2", "Brush"),
    ("3", "Polygon"),
    ("4", "Fill"),
    ("5", "Pick a cell's number"),
    ("6", "Move the picture"),
    ("M", "Number of a new cell"),
    ("[ ]", "Smaller, larger brush"),
    ("B", "Brush keeps other cells"),
    ("Space", "Hold to move the picture while drawing"),
)


def shown_key(key: str) -> str:
    """Return a key as the help sheet writes it, such as "Shift+N"."""
    return key.replace("-", "+") if len(key) > 1 else key


def button_key(key: str) -> str:
    """Return a key as it stands on a button, where there is little room."""
    return key.replace("Shift-", "⇧")


def key_lines() -> dict[str, list[tuple[str, str]]]:
    """Return all keys and what they do, by heading, for the help sheet."""
    lines: dict[str, list[tuple[str, str]]] = {}
    for tool in TOOLS:
        heading = lines.setdefault(GROUP_TITLES[tool.group], [])
        heading.append((shown_key(tool.key), tool.title))
    for title, key, what in ACTIONS:
        lines.setdefault(title, []).append((shown_key(key), what))
    lines["From napari"] = list(NAPARI_KEYS)
    return lines
