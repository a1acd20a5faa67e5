"""Which cells a person should look at first, and when it is enough.

Doubt is the chance that a cell is wrong: it goes up with low confidence, with a size or
shape that is odd among the cells of the same image, and with what `core.review.doubt_signs` saw:
other cells along its outline, another decoder that disagrees, a region that cut it off. The
hint to stop is the error rate among
the last cells looked at, with its 95 % interval (Wilson 1927,
doi:10.1080/01621459.1927.10502953).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.core.editing.checked import ReviewState
from napari_cellseg.core.editing.edits import Source
from napari_cellseg.core.review.doubt_signs import NO_SIGNS, Signs

#: A value so many robust standard deviations off is usual; what lies beyond counts up to
#: `MOST_ODD` of them. Cells nearly of one size do not make the others odd: the standard
#: deviation of the size is at least `LEAST_SPREAD`, of its logarithm.
USUAL = 1.0
MOST_ODD = 3.0
LEAST_SPREAD = 0.15
#: Log odds that a cell is wrong (no true cell at IoU 0.5): of an usual cell as sure as not,
#: and what is added for each unit of its own log odds, for each standard deviation beyond
#: the usual that it is too large (two cells taken for one) or too small, and too ragged.
#: Fitted on six kinds of validation images (`docs/measured/review.md`), then rounded so that no
#: kind loses.
OFFSET, UNSURE, LARGE, SMALL, RAGGED = -0.8, 1.1, 1.0, 0.2, 0.25
#: For an outline that lies on other cells all along, and for no overlap with what the other
#: decoder finds: chosen among a few on images that the reports do not show.
TOUCHING, DISAGREEING = 0.4, 1.6
#: What another model drew weighs as much as what another decoder finds: two ways to look at
#: the same pixels.
#: Of a cell that the region of a run cut off: what its confidence does not know of, from how
#: many were wrong when the middle of those images was segmented alone (`docs/measured/review.md`).
CUT_OFF = 1.1
#: Of cells that only one decoder has looked at: between the means of three sets of
#: validation images, 0.03 to 0.10.
USUAL_DISAGREEMENT = 0.05
#: Confidence is taken to lie this far from 0 and 1.
CONFIDENCE_EDGE = 0.02
#: Of a normal distribution: its standard deviation over its median absolute deviation.
MAD_TO_SD = 1.4826
#: Of a cell without a confidence: it is neither sure nor doubtful.
UNKNOWN_CONFIDENCE = 0.5
#: The hint looks at so many cells, the last ones.
N_LOOKED_BACK = 50
#: Ids up to this one are looked up in a table, 64 MB at most; beyond it they are sorted.
MAX_TABLE = 2**26
#: Fewer say nothing of the rest: none wrong of ten still leaves up to 28 %.
N_FOR_HINT = 10
Z_95 = 1.959964


def doubt_terms(
    cells: pd.DataFrame, confidence: Mapping[int, float], signs: Signs = NO_SIGNS
) -> pd.DataFrame:
    """Return what speaks for each cell being wrong, in log odds, by label.

    Parameters
    ----------
    cells : DataFrame
        Of `core.measuring.measure`: label, area_px, solidity; touches_border where it is known.
    confidence : mapping of int to float
        The model's confidence in each cell.
    signs : Signs
        What else was seen of them.

    Returns
    -------
    DataFrame
        A row a cell; columns unsure, large, small, ragged, touching, disagreeing,
        other_model, cut_off.

    Notes
    -----
    A cell cut by the edge of the image may be small and of any shape. A cell on several
    planes is judged by its largest section: the others are small because it ends there.
    """
    largest = cells.sort_values("area_px", kind="stable")
    cells = largest.drop_duplicates("label", keep="last").sort_index()
    ids = cells["label"].to_numpy()
    sure = np.clip(
        _known_of(ids, confidence, UNKNOWN_CONFIDENCE),
        CONFIDENCE_EDGE,
        1 - CONFIDENCE_EDGE,
    )
    size = _oddness(np.log(cells["area_px"].to_numpy(dtype=float)), LEAST_SPREAD)
    ragged = -_oddness(np.minimum(cells["solidity"].to_numpy(dtype=float), 1.0))
    if "touches_border" in cells:
        is_cut = cells["touches_border"].to_numpy(dtype=bool)
        size = np.where(is_cut, np.maximum(size, 0), size)
        ragged = np.where(is_cut, 0, ragged)
    disagreement = _known_of(ids, signs.disagreement, USUAL_DISAGREEMENT)
    terms = {
        "unsure": -UNSURE * np.log(sure / (1 - sure)),
        "large": LARGE * _beyond(size),
        "small": SMALL * _beyond(-size),
        "ragged": RAGGED * _beyond(ragged),
        "touching": TOUCHING * _known_of(ids, signs.touching, 0.0),
        "disagreeing": DISAGREEING * disagreement,
        "other_model": DISAGREEING * _known_of(ids, signs.other_model, 0.0),
        "cut_off": CUT_OFF * np.isin(ids, list(signs.cut_off)),
    }
    return pd.DataFrame(terms, index=pd.Index(ids, name="label"))


def doubts(
    cells: pd.DataFrame, confidence: Mapping[int, float], signs: Signs = NO_SIGNS
) -> pd.Series:
    """Return how doubtful each cell is, 0 to 1, by label; the most doubtful first.

    A logistic curve, see `OFFSET`; parameters are those of `doubt_terms`.
    """
    return doubts_of_terms(doubt_terms(cells, confidence, signs))


def doubts_of_terms(terms: pd.DataFrame) -> pd.Series:
    """Return the doubts that `doubt_terms` make together, the highest first."""
    ids = terms.index.to_numpy()
    doubt = 1 / (1 + np.exp(-OFFSET - terms.to_numpy().sum(axis=1)))
    order = np.lexsort((ids, -doubt))
    return pd.Series(doubt[order], index=ids[order], name="doubt")


def _beyond(odd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far each value lies above the usual ones, 0 to `MOST_ODD`."""
    return np.clip(odd - USUAL, 0, MOST_ODD)


def _known_of(
    ids: NDArray[np.int64], values_by_id: Mapping[int, float], unknown: float
) -> NDArray[np.float64]:
    """Return the value of each cell, `unknown` where there is none."""
    found = np.full(len(ids), unknown)
    if values_by_id and len(ids):
        known = np.fromiter(values_by_id.keys(), np.int64, len(values_by_id))
        values = np.fromiter(values_by_id.values(), np.float64, len(values_by_id))
        order = np.argsort(known)
        known, values = known[order], values[order]
        places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        is_known = known[places] == ids
        found[is_known] = values[places[is_known]]
    return found


def _oddness(values: NDArray[np.float64], least: float = 0.0) -> NDArray[np.float64]:
    """Return how many robust standard deviations each value lies above the middle.

    0 where that is not known; the standard deviation is at least `least`.
    """
    known = np.isfinite(values)
    if known.sum() < 3:
        return np.zeros(len(values))
    middle = np.median(values[known])
    spread = MAD_TO_SD * float(np.median(np.abs(values[known] - middle)))
    spread = max(spread, least)
    if spread <= 0:
        return np.zeros(len(values))
    return np.asarray((np.where(known, values, middle) - middle) / spread)


def review_queue(
    doubt: pd.Series, states: Mapping[int, ReviewState], sources: Mapping[int, Source]
) -> list[int]:
    """Return the cells of the model nobody has looked at, the most doubtful first.

    Of 400,000 cells it is made anew after each correction, so nothing here goes through
    them one by one but the first line.
    """
    made = [cell for cell, source in sources.items() if source == "model"]
    seen = [cell for cell, state in states.items() if state != "unseen"]
    ids = doubt.index.to_numpy(np.int64)
    highest = int(ids.max(initial=0))
    if highest > MAX_TABLE:
        waits = np.isin(ids, np.array(made, np.int64))
        waits &= ~np.isin(ids, np.array(seen, np.int64))
    else:
        table = np.zeros(highest + 1, bool)
        for cells, is_in in ((made, True), (seen, False)):
            known = np.array(cells, np.int64)
            table[known[known <= highest]] = is_in
        waits = table[ids]
    found: list[int] = ids[waits].tolist()
    return found


@dataclass(frozen=True, slots=True)
class StopHint:
    """What the last cells that were looked at say of the rest.

    Attributes
    ----------
    n_looked_at, n_wrong : int
        Among the last `N_LOOKED_BACK`.
    high : float
        Upper end of the 95 % interval of the error rate, 0 to 1.
    """

    n_looked_at: int
    n_wrong: int
    high: float


def stop_hint(was_wrong: Sequence[bool]) -> StopHint | None:
    """Return the hint from what was found, oldest first; None before `N_FOR_HINT`."""
    last = list(was_wrong)[-N_LOOKED_BACK:]
    if len(last) < N_FOR_HINT:
        return None
    n, k = len(last), sum(last)
    share = k / n
    middle = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    reach = (
        Z_95
        * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
        / (1 + Z_95**2 / n)
    )
    return StopHint(n, k, min(1.0, middle + reach))
