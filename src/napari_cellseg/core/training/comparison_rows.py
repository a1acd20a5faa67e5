"""Old and new model side by side, in words: the same rows in the dock and in a terminal."""

from __future__ import annotations

from napari_cellseg.core.training.item import Comparison

Row = tuple[str, str, str]
ARROW = "→"


def comparison_rows(held_out: Comparison, base: Comparison) -> list[Row]:
    """Return a table of text, its header first; a figure of nothing is a dash.

    Parameters
    ----------
    held_out, base : Comparison
        On what a person checked and the training did not see, and on the base set.
    """
    both = (held_out, base)
    pairs = (
        ("found (AP50)", [(each.ap50_old, each.ap50_new) for each in both], ".3f"),
        ("outlines (mSA)", [(each.msa_old, each.msa_new) for each in both], ".3f"),
        (
            "count error",
            [(each.count_error_old, each.count_error_new) for each in both],
            ".0%",
        ),
    )
    rows: list[Row] = [
        ("old → new", "held out", "base set"),
        ("cells", *_texts(both, [f"{each.n_cells:,}" for each in both])),
    ]
    for title, values, form in pairs:
        texts = [f"{old:{form}} {ARROW} {new:{form}}" for old, new in values]
        rows.append((title, *_texts(both, texts)))
    rows.append(("cells gained", *_texts(both, [f"{e.n_gained:,}" for e in both])))
    rows.append(("cells lost", *_texts(both, [f"{e.n_lost:,}" for e in both])))
    return rows


def _texts(both: tuple[Comparison, Comparison], texts: list[str]) -> tuple[str, str]:
    """Return both texts, a dash where there was no cell to compare on."""
    first, second = (
        text if each.n_cells else "–" for each, text in zip(both, texts, strict=True)
    )
    return first, second


def comparison_table(held_out: Comparison, base: Comparison) -> str:
    """Return the rows as plain text, in columns."""
    return "\n".join(
        f"{title:14} {first:>16} {second:>16}"
        for title, first, second in comparison_rows(held_out, base)
    )
