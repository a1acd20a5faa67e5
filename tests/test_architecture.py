"""The house stands as its plan says: floors, sizes, dependencies."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "napari_cellseg"
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 400
VAGUE_NAMES = {"utils.py", "helpers.py", "common.py", "misc.py"}
#: Loaded only by the floor above the command line, through the extra of this name.
WINDOW_PACKAGES = {"napari", "magicgui", "superqt", "qtpy", "vispy", "pyqtgraph"}
#: Come with napari; their types cross its interfaces.
COME_WITH_NAPARI = {"npe2", "app_model", "pydantic", "pint"}
# Programs of others, run where a person has installed them; never required.
OTHER_PROGRAMS = {"cellpose", "stardist", "csbdeep", "instanseg", "tensorflow"}


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_contract_has_an_exception() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert "ignore_imports" not in text


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(SOURCE))
)
def test_a_module_has_one_subject_and_a_bearable_length(path: Path) -> None:
    n_lines = len(path.read_text(encoding="utf-8").splitlines())

    assert path.name not in VAGUE_NAMES
    assert n_lines <= MAX_LINES


def imported_packages() -> dict[str, set[Path]]:
    """Return each top-level package that the source imports, with the files that do."""
    found: dict[str, set[Path]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path)
    return found


def test_every_import_is_a_declared_dependency(project: dict[str, list[str]]) -> None:
    imported = imported_packages()
    foreign = set(imported) - set(sys.stdlib_module_names) - {"napari_cellseg"}
    foreign -= WINDOW_PACKAGES | COME_WITH_NAPARI | OTHER_PROGRAMS
    extra: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    names = ("serve", "aws", "slides", "tracks", "onnx", "openvino")
    optional = [text for name in names for text in extra[name]]
    declared = {normal(text) for text in [*project["dependencies"], *optional]}
    distributions = packages_distributions()

    undeclared = {
        name: sorted(path.name for path in imported[name])
        for name in foreign
        if not {normal(d) for d in distributions.get(name, [name])} & declared
    }

    assert undeclared == {}


def normal(requirement: str) -> str:
    """Return the bare name of a requirement, as indexes compare them."""
    name = requirement.split(";")[0]
    for mark in "[<>=!~ ":
        name = name.split(mark)[0]
    return name.lower().replace("_", "-").replace(".", "-")


def test_window_packages_are_imported_by_widgets_only() -> None:
    imported = imported_packages()

    users = {
        path
        for name in WINDOW_PACKAGES | COME_WITH_NAPARI
        for path in imported.get(name, set())
    }

    assert {path.relative_to(SOURCE).parts[0] for path in users} <= {"widgets"}


def test_no_qt_binding_is_a_dependency(
    project: dict[str, dict[str, list[str]]],
) -> None:
    extras = [
        text for group in project["optional-dependencies"].values() for text in group
    ]
    wanted = {normal(text) for text in (*project["dependencies"], *extras)}

    assert wanted.isdisjoint({"pyqt5", "pyqt6", "pyside2", "pyside6"})
