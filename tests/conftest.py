"""What every test finds."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# napari's own test fixtures reset the settings file that they find; a person's must not
# be the one. Set before anything imports napari.
_folder = Path(tempfile.mkdtemp(prefix="cellseg-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ["NAPARI_CONFIG"] = str(_folder / "settings.yaml")
# Nor may tests tell a person of endpoints and projects of theirs.
os.environ["XDG_STATE_HOME"] = str(_folder / "state")
os.environ.setdefault("NAPARI_STRICT_QT", "1")
os.environ.setdefault("QT_API", "pyqt6")
# Processes of `-n` share the cores: threads of torch would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public microscopy sets beside the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip(
            "the public image sets are not beside this checkout (../shared/data)"
        )
    return SHARED_DATA
