"""The curve of a training: rows in a CSV, and a picture of them that any browser opens."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from napari_cellseg.core.errors import SaveError
from napari_cellseg.io.atomic import replacing

CURVE_NAME = "curve.csv"
VALIDATION_NAME = "validation.csv"
PICTURE_NAME = "curve.svg"
STEP = "step"
WIDTH, HEIGHT, LEFT, TOP = 720, 300, 60, 24
#: Okabe and Ito (2008): told apart by everyone.
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
#: A line of more points is thinned: the picture is that wide.
MAX_POINTS = 720

Line = Sequence[tuple[float, float]]


def append_row(path: Path, values: Mapping[str, object]) -> None:
    """Add a row to a CSV file; the first one brings the header.

    Raises
    ------
    SaveError
        If it cannot be written, as on a full disk.
    """
    is_new = not path.exists()
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(values)
            writer.writerow([_text(value) for value in values.values()])
    except OSError as error:
        raise SaveError(
            f"'{path}' could not be written ({error.strerror}). Free some space; then "
            "the training can go on from where it last saved."
        ) from error


def _text(value: object) -> object:
    """Return a value as it is written; None is an empty cell."""
    return f"{value:.5f}" if isinstance(value, float) else value


def forget_after(path: Path, step: int) -> None:
    """Remove the rows of steps that a killed run did after its last checkpoint."""
    if not path.is_file():
        return
    header, *rows = read_rows(path)
    place = header.index(STEP)
    kept = [row for row in rows if len(row) == len(header) and int(row[place]) <= step]
    if len(kept) == len(rows):
        return
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([header, *kept])


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a CSV file, the header first."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def columns_of(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Return (step, value) pairs of each column of numbers; empty without a file."""
    if not path.is_file():
        return {}
    header, *rows = read_rows(path)
    place = header.index(STEP)
    return {
        name: [
            (float(row[place]), float(row[column])) for row in rows if row[column] != ""
        ]
        for column, name in enumerate(header)
        if column != place
    }


def write_curve(folder: Path) -> None:
    """Draw what the CSV files of a run hold as ``curve.svg``: losses, then figures.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    panels = [
        ("loss", columns_of(folder / CURVE_NAME)),
        ("validation", columns_of(folder / VALIDATION_NAME)),
    ]
    shown = [(title, lines) for title, lines in panels if any(lines.values())]
    parts = [_panel(title, lines, place) for place, (title, lines) in enumerate(shown)]
    size = f'width="{WIDTH}" height="{HEIGHT * max(len(shown), 1)}"'
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" '
        f'font-size="11"><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(parts)}</svg>\n"
    )
    with replacing(folder / PICTURE_NAME) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _panel(title: str, lines: Mapping[str, Line], place: int) -> str:
    """Return one set of axes with its lines and their names."""
    points = [point for line in lines.values() for point in line]
    last = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0
    wide, high = WIDTH - LEFT - 170, HEIGHT - 2 * TOP - 10
    parts = [
        f'<g transform="translate({LEFT},{TOP + HEIGHT * place})">'
        f'<path d="M0 0V{high}H{wide}" fill="none" stroke="#888"/>'
        f'<text x="0" y="-8">{title}</text><text x="-6" y="8" text-anchor="end">{top:.3g}'
        f'</text><text x="-6" y="{high}" text-anchor="end">0</text>'
        f'<text x="{wide}" y="{high + 16}" text-anchor="end">step {last:.0f}</text>'
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        every = max(1, len(line) // MAX_POINTS)
        path = " ".join(
            f"{wide * x / last:.1f},{high * (1 - max(y, 0) / top):.1f}"
            for x, y in line[::every]
        )
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}"/>'
            f'<text x="{wide + 8}" y="{12 + 13 * number}" fill="{colour}">{escape(name)}</text>'
        )
    return "".join(parts) + "</g>"
