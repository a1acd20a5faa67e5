"""What there is to say of a project in a few numbers."""

from __future__ import annotations

from typing import Any

from napari_cellseg.io.s3.address import S3Address
from napari_cellseg.project.images.identity import seen_identity
from napari_cellseg.project.images.images import ProjectImage
from napari_cellseg.project.store import Project


def project_facts(project: Project) -> dict[str, Any]:
    """Return what ``cellseg project info`` prints."""
    images = project.images()
    return {
        "images": len(images),
        "in S3": sum(image.is_in_s3 for image in images),
        "with labels": sum(image.has_labels for image in images),
        "missing": sum(image.is_missing for image in images),
        "recovered steps": sum(one.n_steps for one in project.recovered),
    }


def replaced_text(project: Project, image: ProjectImage) -> str:
    """Say that an object in S3 is another one than was added; "" if it is not.

    What was last read of it is compared; S3 is not asked.
    """
    if not isinstance(image.place, S3Address):
        return ""
    now = seen_identity(image.place)
    known = project.table.identity_of(image.image_id)
    if now is None or not known[1] or now == known:
        return ""
    return (
        f"'{image.address}' was replaced in S3 since it was added to the project; look "
        "whether its cells still fit."
    )
