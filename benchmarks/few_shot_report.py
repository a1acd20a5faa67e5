"""Table and figure of `few_shot.py`; a point that was not run is said to be missing.

The figure needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

#: Figures of one training: ap50, msa, cells, steps, seconds.
Figures = dict[str, float]
#: By-image AP50 on the same 50 images after 1, 5, 10 and all images, as published
#: (CellSeg1, figure 4).
PUBLISHED = {
    "Cellpose fine-tuned": (0.603, 0.864, 0.873, 0.893),
    "Cellpose from scratch": (0.554, 0.818, 0.861, 0.892),
    "StarDist": (0.415, 0.802, 0.803, 0.875),
    "CellSeg1": (0.811, 0.858, 0.873, 0.877),
}
NOT_RUN = "not run"
ALL = 0


def title_of(count: int) -> str:
    """Return a number of images in words."""
    return "all" if count == ALL else str(count)


def key_of(start: str, count: int, draw: int) -> str:
    """Return the name under which the figures of a training are kept."""
    return f"{start}, {title_of(count)}, draw {draw}"


def draws_of(found: dict[str, Figures], start: str, count: int) -> list[Figures]:
    """Return the figures of all draws of so many images; may be empty."""
    head = f"{start}, {title_of(count)}, draw "
    return [row for name, row in found.items() if name.startswith(head)]


def table(
    title: str,
    found: dict[str, Figures],
    starts: Sequence[str],
    counts: Sequence[int],
    *,
    has_published: bool,
) -> str:
    """Return Markdown: AP50 and what it took, by number of images."""
    lines = [
        f"{title}: by-image AP50",
        f"| trained on | nothing | {' | '.join(title_of(count) for count in counts)} |",
        f"| --- | --- |{' --- |' * len(counts)}",
    ]
    first = f"{found['0']['ap50']:.3f}" if "0" in found else NOT_RUN
    for start in starts:
        rows = [draws_of(found, start, count) for count in counts]
        nothing = first if start != "from scratch" else ""
        cells = [_ap50_text(draws) for draws in rows]
        lines.append(f"| ours, {start} | {nothing} | {' | '.join(cells)} |")
        for name, form in (("cells", ".0f"), ("steps", ".0f"), ("minutes", ".1f")):
            means = [_mean_text(draws, name, form) for draws in rows]
            lines.append(f"| - {name} | | {' | '.join(means)} |")
    if has_published:
        for name, curve in PUBLISHED.items():
            lines.append(f"| {name} | | {' | '.join(f'{ap:.3f}' for ap in curve)} |")
    return "\n".join(lines)


def _ap50_text(draws: list[Figures]) -> str:
    """Return the mean over draws, and between what they lie."""
    if not draws:
        return NOT_RUN
    values = [row["ap50"] for row in draws]
    spread = f" ({min(values):.3f} to {max(values):.3f}, {len(values)} draws)"
    return f"{np.mean(values):.3f}{spread if len(values) > 1 else ''}"


def _mean_text(draws: list[Figures], name: str, form: str) -> str:
    if not draws:
        return ""
    share = 60 if name == "minutes" else 1
    key = "seconds" if name == "minutes" else name
    return f"{np.mean([row[key] for row in draws]) / share:{form}}"


def write_figure(
    path: Path,
    found: dict[str, Figures],
    starts: Sequence[str],
    counts: Sequence[int],
    *,
    has_published: bool,
) -> None:
    """Draw AP50 against corrected cells, or images, and against minutes.

    Beside the published curves the first is against images, as they are.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for start in starts:
        points = [
            (place + 1, row)
            for place, count in enumerate(counts)
            for row in draws_of(found, start, count)
        ]
        if start != "from scratch" and "0" in found:
            points = [(0, found["0"]), *points]
        heights = [row["ap50"] for _, row in points]
        x = [place if has_published else row["cells"] for place, row in points]
        left.plot(x, heights, "o-", label=f"ours, {start}")
        right.plot([row["seconds"] / 60 for _, row in points], heights, "o")
    if has_published:
        for name, curve in PUBLISHED.items():
            left.plot(range(1, len(curve) + 1), curve, ".--", linewidth=1, label=name)
        titles = ["nothing", *(title_of(count) for count in counts)]
        left.set_xticks(range(len(titles)), titles)
    left.set_xlabel("images" if has_published else "corrected cells")
    left.set_ylabel("by-image AP50")
    right.set_xlabel("minutes of training")
    left.legend(fontsize=7)
    figure.savefig(path, dpi=120)
