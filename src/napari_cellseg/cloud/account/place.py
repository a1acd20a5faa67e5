"""Where in an account things of ours go, what they are called, how they are marked."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from urllib.parse import urlsplit

from napari_cellseg.cloud.settings import CloudSettings
from napari_cellseg.core.cloud_options import AccountOptions, PlaceOptions
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.io.aws import AwsAccount
from napari_cellseg.io.s3.address import S3Address

#: ``CELLSEG_AWS_IMAGE`` stands in for ``--image``, and so on.
VARIABLE = "CELLSEG_AWS_{}"
#: Whatever we make carries it, and nothing without it is ever deleted.
APP_TAG = ("app", "cellseg")
ENDPOINT_TAG = "cellseg:endpoint"
MODE_TAG = "cellseg:mode"
STOP_TAG = "cellseg:stop-after"
#: What has to be named, and how it looks; docs/aws.md says how to get it.
EXAMPLES = {
    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/cellseg:1",
    "role": "arn:aws:iam::123456789012:role/cellseg",
    "bucket": "my-lab-cells",
}
#: Of the one model of an endpoint.
VARIANT = "AllTraffic"
#: Room for ``-`` and the stamp of `stamped`.
MAX_BASE = 46


@dataclass(frozen=True, slots=True)
class CloudPlace:
    """What of an account is ours to use.

    Attributes
    ----------
    image : str
        Our container in ECR, such as
        ``"123456789012.dkr.ecr.eu-central-1.amazonaws.com/cellseg:1"``.
    role : str
        ARN of the role that SageMaker takes on.
    bucket : str
        Where models, images and results go.
    prefix : str
        Folder in it, without slashes at its ends.
    scheduler_role : str
        ARN of the role that EventBridge's scheduler deletes endpoints with; "" for none.
    """

    image: str
    role: str
    bucket: str
    prefix: str = "cellseg"
    scheduler_role: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in EXAMPLES if not getattr(self, name)]
        if missing:
            ways = "; ".join(how_to_name(name) for name in missing)
            raise OptionsError(
                f"No {' and no '.join(missing)} {'is' if len(missing) == 1 else 'are'} "
                f"given. Fill in what is missing (in a terminal: {ways})."
            )
        for role in (self.role, self.scheduler_role):
            if role and not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", role):
                raise OptionsError(
                    f"The role is '{role}'; its ARN is needed, such as "
                    f"{EXAMPLES['role']}."
                )

    def uri(self, *parts: str) -> str:
        """Return the address of something in our folder."""
        return "/".join((f"s3://{self.bucket}", *self._keyed(parts)))

    def key(self, *parts: str) -> str:
        """Return the key of something in our folder."""
        return "/".join(self._keyed(parts))

    def _keyed(self, parts: tuple[str, ...]) -> list[str]:
        return [part for part in (self.prefix, *parts) if part]


def place_of(options: PlaceOptions) -> CloudPlace:
    """Return the place that options name, or variables such as CELLSEG_AWS_IMAGE.

    Raises
    ------
    OptionsError
        If something is named nowhere.
    """
    return CloudPlace(**asdict(filled(options)))


def filled(options: PlaceOptions) -> PlaceOptions:
    """Return options with what is empty taken from variables; it may stay empty."""
    return PlaceOptions(*(given(options, item.name) for item in fields(options)))


def how_to_name(name: str) -> str:
    """Return how something of the place is named in a terminal, and how it looks."""
    return f"--{name} or {VARIABLE.format(name.upper())}, such as {EXAMPLES[name]}"


def account_of(options: AccountOptions) -> CloudSettings:
    """Return the account that options name, or variables such as CELLSEG_AWS_REGION."""
    values = (given(options, item.name) for item in fields(options))
    return CloudSettings(AwsAccount(*values))


def given(options: PlaceOptions | AccountOptions, name: str) -> str:
    """Return what an option says, or its variable where it says nothing."""
    value: str = getattr(options, name)
    return value or os.environ.get(VARIABLE.format(name.upper()), "")


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``; raises `OptionsError`."""
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or "?" in uri:
        raise OptionsError(f"'{uri}' is no address in S3, such as s3://bucket/folder/.")
    return parts.netloc, parts.path.lstrip("/")


def address_of(uri: str) -> S3Address:
    """Return the address that ``s3://bucket/key`` is; raises `OptionsError`."""
    return S3Address(*split_uri(uri))


def checked_name(name: str) -> str:
    """Return a name that an endpoint or job may have; raises `OptionsError`."""
    if len(name) > MAX_BASE or not re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", name):
        raise OptionsError(
            f"The name is '{name}'; letters, digits and '-' are allowed, {MAX_BASE} at the "
            "most, such as cells-of-my-lab."
        )
    return name


def stamped(name: str, now: datetime) -> str:
    """Return a name that was not there before, such as ``cells-20261121-093015``."""
    return f"{name}-{now:%Y%m%d-%H%M%S}"


def own_tags(**further: str) -> list[dict[str, str]]:
    """Return the tags of what we make; names get the prefix ``cellseg:``."""
    tags = [{"Key": APP_TAG[0], "Value": APP_TAG[1]}]
    return tags + [
        {"Key": f"cellseg:{name.replace('_', '-')}", "Value": value}
        for name, value in further.items()
        if value
    ]


def now_utc() -> datetime:
    """Return the time, in seconds."""
    return datetime.now(UTC).replace(microsecond=0)
