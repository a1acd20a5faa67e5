"""An AWS on this computer, with a bucket and a role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from moto_server import empty_aws
from napari_cellseg.cloud.account.place import CloudPlace
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.settings import CloudSettings
from napari_cellseg.io.aws import AwsAccount

REGION = "eu-central-1"
BUCKET = "lab-cells"
#: Older computers than one would take: moto does not know the newer ones.
GPU = "ml.g4dn.xlarge"
NOW = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)
PLACE = CloudPlace(
    "123456789012.dkr.ecr.eu-central-1.amazonaws.com/cellseg:1",
    "arn:aws:iam::123456789012:role/cellseg",
    BUCKET,
)


@contextmanager
def aws_stand_in() -> Iterator[Sender]:
    """Give what sends to an AWS that holds nothing."""
    account = AwsAccount(region=REGION, endpoint_url=empty_aws())
    with pytest.MonkeyPatch.context() as patch:
        # Each client reads megabytes of descriptions; once is enough for all tests.
        patch.setattr("botocore.session.create_loader", _one_loader)
        yield Sender(CloudSettings(account))


@cache
def _one_loader(search_path: str | None = None) -> Any:
    from botocore.loaders import create_loader

    return create_loader(search_path)


def make_bucket(sender: Sender, name: str = BUCKET) -> None:
    """Make an empty bucket."""
    sender.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )


def keys_in(sender: Sender, bucket: str = BUCKET) -> list[str]:
    """Return what is in a bucket."""
    answer = sender.client("s3").list_objects_v2(Bucket=bucket)
    return [each["Key"] for each in answer.get("Contents", [])]
