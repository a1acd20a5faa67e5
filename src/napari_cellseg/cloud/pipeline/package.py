"""What has to be handed to AWS: the template, and a zip with the function's code."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from napari_cellseg.core.errors import SaveError

#: What the function consists of, from the package's root; nothing else is imported.
CODE = (
    "__init__.py",
    "cloud/__init__.py",
    "cloud/pipeline/__init__.py",
    "cloud/pipeline/asking.py",
    "cloud/pipeline/contract.py",
    "cloud/pipeline/handler.py",
    "cloud/pipeline/outputs.py",
    "cloud/pipeline/runs.py",
    "cloud/pipeline/uploads.py",
    "core/__init__.py",
    "core/errors.py",
)
PACKAGE = "napari_cellseg"
TEMPLATE = "template.yaml"
#: The same code gives the same zip, so the date of its files is always this.
NO_DATE = (1980, 1, 1, 0, 0, 0)
READABLE = 0o644 << 16


@dataclass(frozen=True, slots=True)
class Written:
    """What lies in a folder, ready to be deployed.

    Attributes
    ----------
    template, code : Path
        The two files.
    """

    template: Path
    code: Path


def template_text() -> str:
    """Return the CloudFormation template."""
    return (files(__package__) / TEMPLATE).read_text(encoding="utf-8")


def code_zip() -> bytes:
    """Return the code of the function, the same bytes each time."""
    buffer = io.BytesIO()
    root = files(PACKAGE)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in CODE:
            item = zipfile.ZipInfo(f"{PACKAGE}/{name}", NO_DATE)
            item.compress_type, item.external_attr = zipfile.ZIP_DEFLATED, READABLE
            file.writestr(item, (root / name).read_bytes())
    return buffer.getvalue()


def write_package(folder: Path) -> Written:
    """Write template and code into a folder, which is made if need be.

    The code's name holds its digest: an update of the stack sees that it is new.

    Raises
    ------
    SaveError
        If it cannot be written.
    """
    code = code_zip()
    digest = hashlib.sha256(code).hexdigest()[:12]
    written = Written(folder / TEMPLATE, folder / f"cellseg-pipeline-{digest}.zip")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written.template.write_text(template_text(), encoding="utf-8")
        written.code.write_bytes(code)
    except OSError as error:
        raise SaveError(
            f"'{folder}' cannot be written: {error.strerror}. Choose another folder."
        ) from error
    return written
