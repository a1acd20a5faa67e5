"""What SageMaker lays out in its containers, and how to tell that we are in one."""

from __future__ import annotations

import os
from pathlib import Path

#: Our image sets it. A folder /opt/ml alone is no sign: any computer may have one.
CONTAINER_VARIABLE = "CELLSEG_CONTAINER"
#: Another folder than /opt/ml, to try the container out without a container.
ROOT_VARIABLE = "CELLSEG_OPT_ML"
ROOT = Path("/opt/ml")


def container_folder() -> Path | None:
    """Return the folder that SageMaker shares with its containers, None outside of one."""
    if CONTAINER_VARIABLE not in os.environ:
        return None
    folder = Path(os.environ.get(ROOT_VARIABLE) or ROOT)
    return folder if folder.is_dir() else None
