"""What the pages tell people to type is there to be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from napari_cellseg.cli.main import app

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def commands_of(page: Path) -> list[str]:
    """Return the lines of a page's code that call ``cellseg``, without variables."""
    lines = page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    code = [line.strip() for line in lines if line.startswith("    ")]
    return [line for line in code if line.startswith("cellseg ")]


def lines() -> list[str]:
    return [command for page in PAGES for command in commands_of(page)]


@pytest.mark.parametrize("line", lines())
def test_a_command_and_its_flags_exist(line: str) -> None:
    command = typer.main.get_command(app)
    words = shlex.split(line.split(" | ")[0])[1:]
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {name for item in command.params for name in (*item.opts, "--help")}

    assert {word for word in words if word.startswith("--")} <= known


def test_there_are_commands_to_check() -> None:
    assert len(lines()) > 10


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem
)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_pages_named_in_the_code_are_there() -> None:
    code = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    named = {name for text in code for name in re.findall(r"docs/[\w/-]+\.md", text)}

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_modules_that_developers_are_sent_to_are_there() -> None:
    text = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`", text)

    places = (ROOT, ROOT / "src" / "napari_cellseg", ROOT / "benchmarks")
    assert len(named) > 30
    assert [n for n in named if not any((p / n).is_file() for p in places)] == []
