"""The projects that were opened last, newest first."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_state_path

from napari_cellseg.core.errors import SaveError
from napari_cellseg.io.plain_files import known_json, write_json

N_RECENT = 8
FILE_NAME = "recent-projects.json"


def recent_file() -> Path:
    """Return where the list is kept for this user."""
    return user_state_path("napari-cellseg") / FILE_NAME


def recent_projects(file: Path) -> list[Path]:
    """Return the projects that are still there; empty if the list cannot be read."""
    names = known_json(file)
    if not isinstance(names, list):
        return []
    return [
        Path(name) for name in names if isinstance(name, str) and Path(name).is_dir()
    ]


def remember_project(file: Path, folder: Path) -> None:
    """Put a project first; a list that cannot be written is no reason to stop."""
    others = [one for one in recent_projects(file) if one != folder]
    names = [str(one) for one in [folder, *others][:N_RECENT]]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, names)
    except (OSError, SaveError):
        return
