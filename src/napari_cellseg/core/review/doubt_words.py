"""Why a cell is doubtful, in the person's words."""

from __future__ import annotations

from collections.abc import Mapping

from napari_cellseg.core.counted import counted

#: What adds less to the log odds that a cell is wrong is no reason to name.
LEAST_TERM = 0.3
#: More reasons are not read.
MAX_REASONS = 3
#: By the names of `core.review.queue.doubt_terms`; of "touching" it is said how many are touched.
WORDS = {
    "unsure": "the model is unsure",
    "large": "large beside the others",
    "small": "small beside the others",
    "ragged": "an odd shape",
    "disagreeing": "two ways to outline it disagree",
    "other_model": "another model drew it otherwise",
    "cut_off": "cut off where the region ended",
}
ON_SEAM = "lies where two tiles meet"


def reasons(
    terms: Mapping[str, float], n_touched: int, *, is_on_seam: bool
) -> list[str]:
    """Return why a cell is doubtful, the weightiest first, `MAX_REASONS` at most.

    Parameters
    ----------
    terms : mapping of str to float
        Its row of `core.review.queue.doubt_terms`.
    n_touched : int
        Cells that it touches.
    is_on_seam : bool
        Whether it lies across two tiles.

    Notes
    -----
    That it touches others or lies on a seam comes last, whatever it weighs: many cells do
    so and are right.
    """
    weighty = [name for name in WORDS if terms.get(name, 0) >= LEAST_TERM]
    found = [WORDS[name] for name in sorted(weighty, key=lambda name: -terms[name])]
    if n_touched:
        found.append(f"touches {counted(n_touched, 'other')}")
    return (found + [ON_SEAM] * is_on_seam)[:MAX_REASONS]
