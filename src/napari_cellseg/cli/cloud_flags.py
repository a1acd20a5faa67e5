"""Which account the ``cellseg cloud`` commands use, and what of it is ours."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from napari_cellseg.core.cloud_options import INSTANCE
from napari_cellseg.core.options import Range, check_options, option

if TYPE_CHECKING:
    from napari_cellseg.cloud.place import CloudPlace
    from napari_cellseg.cloud.sending import Sender
    from napari_cellseg.cloud.settings import CloudSettings

#: ``CELLSEG_AWS_IMAGE`` stands in for ``--image``, and so on.
VARIABLE = "CELLSEG_AWS_{}"
ANY = r".*"


def _text(default: str, help_: str) -> str:
    """Return an option that may be any text."""
    chosen: str = option(default, Range(help=help_, pattern=ANY))
    return chosen


@dataclass(frozen=True, slots=True)
class AccountFlags:
    """Whose account. Where a field is empty, its variable is asked."""

    profile: str = _text("", "Profile in ~/.aws; empty: what boto3 finds by itself.")
    region: str = _text("", "Such as eu-central-1; empty: the profile's.")
    endpoint_url: str = _text("", "Stands in for AWS, such as a test server.")

    def __post_init__(self) -> None:
        check_options(self)

    def settings(self) -> CloudSettings:
        """Return the account."""
        from napari_cellseg.cloud.settings import CloudSettings

        return CloudSettings(
            given(self, "profile"), given(self, "region"), given(self, "endpoint_url")
        )

    def sender(self) -> Sender:
        """Return what sends to the account."""
        from napari_cellseg.cloud.sending import Sender

        return Sender(self.settings())


@dataclass(frozen=True, slots=True)
class PlaceFlags:
    """What of an account is ours. Where a field is empty, its variable is asked."""

    image: str = _text("", "Our container in ECR; or set CELLSEG_AWS_IMAGE.")
    role: str = _text("", "ARN of SageMaker's role; or set CELLSEG_AWS_ROLE.")
    bucket: str = _text("", "Where models and results go; or set CELLSEG_AWS_BUCKET.")
    prefix: str = _text("cellseg", "Folder in the bucket.")
    scheduler_role: str = _text(
        "",
        "ARN of the role that deletes an endpoint at its time; "
        "or set CELLSEG_AWS_SCHEDULER_ROLE.",
    )

    def __post_init__(self) -> None:
        check_options(self)

    def place(self) -> CloudPlace:
        """Return them; raises `OptionsError` where something is missing."""
        from napari_cellseg.cloud.place import CloudPlace

        return CloudPlace(*(given(self, item.name) for item in fields(self)))


@dataclass(frozen=True, slots=True)
class TrainFlags:
    """What is trained, and whether to stay with it."""

    name: str = _text("my-model", "Name of the new model.")
    model: str | None = option(
        None, Range(help="Model to start from; name or folder.", pattern=ANY)
    )
    channel: int | None = option(
        None, Range(0, 255, help="Channel that shows the cells, from 0.")
    )
    wait: bool = option(True, Range(help="Follow it, and fetch the model at its end."))
    dry_run: bool = option(False, Range(help="Print every request; send none."))

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class BatchFlags:
    """What many images become, and on what."""

    model: str | None = option(None, Range(help="Name or folder.", pattern=ANY))
    name: str = _text("cells-batch", "Of the job.")
    accept: str = option(
        "application/zip",
        Range(
            choices=("application/zip", "image/tiff", "application/json"),
            help="zip: labels, confidence and figures; tiff: labels; json: counts and "
            "one row a cell.",
        ),
    )
    instance_type: str = option(
        "ml.g5.xlarge", Range(help="Computer.", pattern=INSTANCE)
    )
    instances: int = option(1, Range(1, 100, help="How many."))
    dry_run: bool = option(False, Range(help="Print every request; send none."))

    def __post_init__(self) -> None:
        check_options(self)


def given(flags: AccountFlags | PlaceFlags, name: str) -> str:
    """Return what a flag says, or its variable where it says nothing."""
    value: str = getattr(flags, name)
    return value or os.environ.get(VARIABLE.format(name.upper()), "")
