"""The Dockerfile against the package: what it copies, installs and starts is there.

No image is built here; `tests/serving/test_training_container.py` runs its entry point.
"""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """Return each instruction and what follows it, its lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    return [
        (word, rest.strip())
        for word, _, rest in (line.strip().partition(" ") for line in lines)
        if word
    ]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text()
    content: dict[str, Any] = tomllib.loads(text)["project"]
    return content


def given(steps: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for word, rest in steps if word == name]


def test_every_instruction_is_one_that_docker_knows(
    steps: list[tuple[str, str]],
) -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "EXPOSE", "ENTRYPOINT"}
    assert {word for word, _ in steps} <= known
    assert steps[0][0] == "FROM"


def is_sent(source: str) -> bool:
    """Say whether a path goes to Docker; the last pattern that fits decides."""
    decisions = [True]
    for pattern in (ROOT / ".dockerignore").read_text().splitlines():
        is_back = pattern.startswith("!")
        if not pattern.startswith("#") and fnmatch.fnmatch(source, pattern.lstrip("!")):
            decisions.append(is_back)
    return decisions[-1]


def test_what_is_copied_is_there_and_is_not_ignored(
    steps: list[tuple[str, str]],
) -> None:
    for copied in given(steps, "COPY"):
        *sources, _target = copied.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert is_sent(source), source


@pytest.mark.parametrize("path", [".git", "tests", "src/a/__pycache__", ".venv"])
def test_what_the_image_does_not_need_is_not_sent(path: str) -> None:
    assert not is_sent(path)


def test_what_the_package_is_built_from_is_copied(
    steps: list[tuple[str, str]], project: dict[str, Any]
) -> None:
    sources = {word for copied in given(steps, "COPY") for word in copied.split()[:-1]}
    assert {"pyproject.toml", project["readme"], "src"} <= sources
    assert set(project["license-files"]) <= sources


def test_what_is_installed_has_the_server_and_what_it_needs(
    steps: list[tuple[str, str]], project: dict[str, Any]
) -> None:
    (installed,) = given(steps, "RUN")
    extras = re.search(r'"\.\[([\w,]+)\]"', installed)
    assert extras is not None
    names = extras[1].split(",")
    assert set(names) <= set(project["optional-dependencies"])
    packages = {
        re.split(r"[<>=]", each)[0]
        for name in names
        for each in project["optional-dependencies"][name]
    }
    assert {"starlette", "uvicorn"} <= packages


def test_its_python_is_one_that_the_package_runs_on(
    steps: list[tuple[str, str]], project: dict[str, Any]
) -> None:
    (base,) = given(steps, "FROM")
    version = re.fullmatch(r"python:(\d+\.\d+)-slim", base)
    assert version is not None
    assert version[1] in SpecifierSet(project["requires-python"])


def test_the_entry_point_is_the_command_with_the_contract_of_the_platform(
    steps: list[tuple[str, str]], project: dict[str, Any]
) -> None:
    from napari_cellseg.cli.main import app

    (entry,) = given(steps, "ENTRYPOINT")
    (program,) = json.loads(entry)
    assert program in project["scripts"]
    for command in ("serve", "train"):
        shown = CliRunner().invoke(app, [command, "--help"])
        assert shown.exit_code == 0


def test_the_port_and_the_variables_are_those_that_the_server_reads(
    steps: list[tuple[str, str]],
) -> None:
    from napari_cellseg.cli.serve_command import CONTAINER_PORT
    from napari_cellseg.serving.container import CONTAINER_VARIABLE

    assert given(steps, "EXPOSE") == [str(CONTAINER_PORT)]
    variables = dict(
        word.split("=", 1) for line in given(steps, "ENV") for word in line.split()
    )
    assert variables[CONTAINER_VARIABLE] == "1"
    assert variables["PYTHONUNBUFFERED"] == "1"
