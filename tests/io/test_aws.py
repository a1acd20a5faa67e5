"""One factory makes every client of boto3, and nobody's keys leave AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_cellseg.cloud.settings import CloudSettings, aws_client
from napari_cellseg.io.aws import (
    KEY_VARIABLE,
    SECRET_VARIABLE,
    AwsAccount,
    Patience,
    is_aws,
    make_client,
)
from napari_cellseg.io.s3.client import s3_client

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

STORE = "http://minio.lab:9000"


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up two profiles, one with keys."""
    (tmp_path / "config").write_text(
        "[profile lab]\nregion = eu-west-3\n[profile core]\nregion = eu-north-1\n"
    )
    (tmp_path / "credentials").write_text(
        "[lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = hidden\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


def key_of(client: Any) -> str:
    return str(client._request_signer._credentials.access_key)


def test_images_are_read_with_the_profile_that_the_cloud_commands_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELLSEG_AWS_PROFILE", "lab")
    client = s3_client()
    assert (key_of(client), client.meta.region_name) == ("AKIALAB", "eu-west-3")
    monkeypatch.setenv("CELLSEG_AWS_REGION", "eu-south-1")
    assert s3_client().meta.region_name == "eu-south-1"


def test_an_account_that_is_named_goes_before_the_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CELLSEG_AWS_PROFILE", "core")
    assert key_of(s3_client(AwsAccount("lab"))) == "AKIALAB"


def test_the_same_client_is_given_again() -> None:
    assert s3_client(AwsAccount("lab")) is s3_client(AwsAccount("lab"))


def test_a_store_of_the_lab_gets_its_own_keys_through_both_doors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "of the store")
    monkeypatch.setenv(SECRET_VARIABLE, "its secret")
    account = AwsAccount("lab", endpoint_url=STORE)
    settings = CloudSettings(AwsAccount("lab", endpoint_url=STORE))
    for client in (s3_client(account), aws_client("s3", settings)):
        assert key_of(client) == "of the store"
        assert client.meta.config.s3["addressing_style"] == "path"


def test_a_client_is_as_patient_as_it_is_told() -> None:
    config = make_client("sqs", AwsAccount("lab"), Patience(2.0, 7.0, 3)).meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.0, 7.0)
    assert config.retries["total_max_attempts"] == 3


@pytest.mark.parametrize(
    "host",
    ["s3.eu-west-3.amazonaws.com", "s3.dualstack.eu-west-3.api.aws",
     "sts.cn-north-1.amazonaws.com.cn", "s3.us-iso-east-1.c2s.ic.gov"],
)  # fmt: skip
def test_hosts_of_every_partition_are_aws(host: str) -> None:
    assert is_aws(f"https://{host}")
    assert not is_aws(f"http://{host}")
    assert not is_aws(f"https://{host}.example.org")
