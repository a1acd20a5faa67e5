"""Which rows of the table are shown, and in which order: whole columns at a time."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.core.errors import OptionsError

Mask = NDArray[np.bool_]

EXAMPLE = "area_px > 200"
SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge, "≥": operator.ge, "<=": operator.le, "≤": operator.le,
    "!=": operator.ne, "≠": operator.ne, "<>": operator.ne,
    "==": operator.eq, "=": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
TRUTHS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
#: The table shows five digits; a number that reads the same counts as equal.
SHOWN_PRECISION = 5e-5
_SIGN = re.compile(r"\s*(" + "|".join(map(re.escape, SIGNS)) + r")\s*")
_AND = re.compile(r"\s+and\s+|\s*&+\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Condition:
    """One comparison, as it was written."""

    column: str
    sign: str
    value: str


def sorted_rows(
    cells: pd.DataFrame, column: int, *, is_descending: bool
) -> NDArray[np.intp]:
    """Return the order of rows by a column; equal ones stay, the unknown comes last.

    Parameters
    ----------
    cells : DataFrame
        One row a cell.
    column : int
        Place of the column; one that is not there keeps the order.
    is_descending : bool
        Largest first.

    Returns
    -------
    (n,) intp
        Row numbers from 0.
    """
    if not 0 <= column < cells.shape[1]:
        return np.arange(len(cells), dtype=np.intp)
    values = cells.iloc[:, column]
    if not pd.api.types.is_numeric_dtype(values):
        values = pd.Series(pd.factorize(values, sort=True)[0])
    ordered = values.reset_index(drop=True).sort_values(
        ascending=not is_descending, kind="stable", na_position="last"
    )
    return ordered.index.to_numpy(np.intp)


def matching_rows(cells: pd.DataFrame, text: str) -> Mask:
    """Return which rows a filter leaves; an empty filter leaves all.

    Parameters
    ----------
    cells : DataFrame
        One row a cell.
    text : str
        A word to find in the columns of words, the number of a cell, or conditions
        such as ``area_px > 200 and source = hand``. A column can be named by its
        beginning. What is not known (NaN) fits no condition.

    Returns
    -------
    (n,) bool

    Raises
    ------
    OptionsError
        If it is not understood, or not complete yet.
    """
    text = text.strip()
    mask = np.ones(len(cells), bool)
    if not text or not cells.shape[1]:
        return mask
    if _SIGN.search(text) is None:
        return _rows_with(cells, text)
    for condition in _conditions(text, list(map(str, cells.columns))):
        mask &= _rows_that_fit(cells[condition.column], condition)
    return mask


def _rows_with(cells: pd.DataFrame, text: str) -> Mask:
    """Return the rows with a word, or of a cell."""
    if text.isdecimal() and "label" in cells:
        return np.asarray(cells["label"].to_numpy() == int(text), bool)
    mask = np.zeros(len(cells), bool)
    for name in cells.columns:
        if not pd.api.types.is_numeric_dtype(cells[name]):
            mask |= _holding(cells[name], text, is_whole=False)
    if not mask.any() and any(_plain(n).startswith(_plain(text)) for n in cells):
        raise OptionsError(f"'{text}' is a column: write a condition, as in {EXAMPLE}.")
    return mask


def _holding(values: pd.Series[Any], text: str, *, is_whole: bool) -> Mask:
    """Return which words hold a text, or are it, whatever the case."""
    codes, words = pd.factorize(values)
    low, wanted = [str(word).lower() for word in words], text.lower()
    # A place more: what is missing has the code -1.
    hits = [word == wanted if is_whole else wanted in word for word in low] + [False]
    return np.array(hits, bool)[codes]


def _conditions(text: str, names: Sequence[str]) -> Iterator[_Condition]:
    """Take a filter apart."""
    rest = text
    while rest:
        name, sign, begin = _column_and_sign(rest, names)
        parts = _AND.split(rest[begin:], maxsplit=1)
        value = parts[0].strip().strip("\"'")
        if not value:
            raise OptionsError(
                f"Write what '{name}' is compared with, as in {EXAMPLE}."
            )
        yield _Condition(name, sign, value)
        rest = parts[1].strip() if len(parts) > 1 else ""


def _column_and_sign(text: str, names: Sequence[str]) -> tuple[str, str, int]:
    """Return column and sign that a text begins with, and where the value begins."""
    # Whole names first, the longest before others: channels may hold signs and "and".
    for name in sorted(names, key=len, reverse=True):
        sign = _SIGN.match(text, len(name))
        if sign is not None and text[: len(name)].lower() == name.lower():
            return name, sign[1], sign.end()
    sign = _SIGN.search(text)
    if sign is None:
        raise OptionsError(f"'{text}' is no condition; write it as in {EXAMPLE}.")
    return _named(text[: sign.start()].strip(), names), sign[1], sign.end()


def _plain(name: object) -> str:
    return str(name).lower().replace(" ", "_")


def _named(word: str, names: Sequence[str]) -> str:
    """Return the one column that a word names or begins."""
    if not word:
        raise OptionsError(f"Write a column before the sign, as in {EXAMPLE}.")
    plain = {_plain(name): name for name in names}
    if _plain(word) in plain:
        return plain[_plain(word)]
    found = [name for key, name in plain.items() if key.startswith(_plain(word))]
    if len(found) == 1:
        return found[0]
    if found:
        raise OptionsError(f"'{word}' may be {_listed(found)}; write one of them.")
    near = get_close_matches(_plain(word), list(plain), 3, 0.5)
    advice = f"perhaps {_listed([plain[key] for key in near])}" if near else EXAMPLE
    raise OptionsError(f"There is no column '{word}'; write {advice}.")


def _listed(names: Sequence[str]) -> str:
    """Return up to four names in words."""
    shown = [*names[:4], "…"] if len(names) > 4 else list(names)
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)


def _rows_that_fit(values: pd.Series[Any], condition: _Condition) -> Mask:
    """Return the rows that fit a condition."""
    name, sign, value = condition.column, SIGNS[condition.sign], condition.value
    is_truth = pd.api.types.is_bool_dtype(values)
    is_words = not pd.api.types.is_numeric_dtype(values)
    if (is_truth or is_words) and sign not in (operator.eq, operator.ne):
        what = "yes or no" if is_truth else "words"
        raise OptionsError(f"'{name}' holds {what}; compare it with = or !=.")
    if is_words:
        same = _holding(values, value, is_whole=True)
    elif is_truth:
        if value.lower() not in TRUTHS:
            raise OptionsError(f"'{name}' is yes or no, not '{value}'.")
        same = np.asarray(values.to_numpy() == TRUTHS[value.lower()], bool)
    else:
        return _numbers_that_fit(values.to_numpy(), sign, _number(name, value))
    return same if sign is operator.eq else ~same


def _number(name: str, value: str) -> float:
    """Return the number that was written."""
    try:
        return float(value)
    except ValueError as error:
        raise OptionsError(
            f"'{name}' holds numbers, and '{value}' is none; write it as in {EXAMPLE} "
            "or 0.5."
        ) from error


def _numbers_that_fit(
    values: NDArray[Any], sign: Callable[[Any, Any], Any], number: float
) -> Mask:
    """Return which numbers fit; equal is what the table shows the same."""
    if values.dtype.kind != "f" or sign not in (operator.eq, operator.ne):
        fits = sign(values, number)
    else:
        same = np.isclose(values, number, rtol=SHOWN_PRECISION, atol=0)
        fits = same if sign is operator.eq else ~same
    return np.asarray(fits & ~np.isnan(values), bool)
