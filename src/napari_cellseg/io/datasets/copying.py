"""Images that are taken along as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_cellseg.core.errors import SaveError
from napari_cellseg.io.atomic import replacing


def copy_image(path: Path, target: Path, *, is_synced: bool = True) -> None:
    """Copy an image file or an OME-Zarr folder; raises `SaveError`.

    Not `is_synced`: the file may be lost with the power until the caller syncs it.
    """
    if path.is_dir():
        try:
            shutil.copytree(path, target, dirs_exist_ok=True)
        except (OSError, shutil.Error) as error:
            raise SaveError(
                f"'{target}' could not be written ({error}). Free some space, or choose "
                "another folder."
            ) from error
        return
    with replacing(target, is_synced=is_synced) as new:
        shutil.copyfile(path, new)
