"""Clients for AWS: where they go, whose keys they carry, how often they send."""

from __future__ import annotations

import http.server as http_server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("boto3", reason="the extra 'aws' is not installed")

from moto_server import empty_aws
from napari_cellseg.cloud.errors import CloudError, error_of_answer, in_plain_words
from napari_cellseg.cloud.settings import (
    CloudSettings,
    aws_client,
    identity_of,
    profile_names,
    region_names,
)
from napari_cellseg.io import aws
from napari_cellseg.io.aws import AwsAccount, is_aws, open_session

REGION = "eu-central-1"


class Listener(http_server.BaseHTTPRequestHandler):
    """Keeps the headers of what arrives and answers as told."""

    heard: list[dict[str, str]]
    status = 200
    body = b"{}"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append({name.lower(): text for name, text in self.headers.items()})
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def listener() -> Iterator[tuple[str, type[Listener]]]:
    kind = type("Ear", (Listener,), {"heard": []})
    server = http_server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", kind
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def keys_of_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment hold keys that must not get out."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASECRETSECRET")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def test_a_lab_server_gets_its_token_and_nothing_of_aws(
    listener: tuple[str, type[Listener]],
) -> None:
    address, ear = listener
    settings = CloudSettings(runtime_url=address, token="open sesame")
    aws_client("sagemaker-runtime", settings).invoke_endpoint(
        EndpointName="cells", Body=b"1"
    )
    assert ear.heard[0]["authorization"] == "Bearer open sesame"
    assert "secret" not in str(ear.heard).lower()


def test_a_redirected_call_is_signed_by_nobody(
    listener: tuple[str, type[Listener]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, ear = listener
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    client = aws_client("sagemaker", CloudSettings(AwsAccount(region=REGION)))
    client.list_endpoints()
    aws_client(
        "sagemaker-runtime", CloudSettings(AwsAccount(region=REGION))
    ).invoke_endpoint(EndpointName="cells", Body=b"1")
    assert "nobody" in ear.heard[0]["authorization"]
    assert "authorization" not in ear.heard[1]
    assert "secret" not in str(ear.heard).lower()


def test_the_token_goes_to_the_lab_server_alone() -> None:
    settings = CloudSettings(AwsAccount(region=REGION), token="open sesame")
    assert "open sesame" not in repr(settings)
    client = aws_client("sagemaker-runtime", settings)
    assert (
        client.meta.endpoint_url == f"https://runtime.sagemaker.{REGION}.amazonaws.com"
    )
    assert client.meta.config.retries["total_max_attempts"] == 1
    assert client.meta.config.read_timeout > 60


@pytest.mark.parametrize("status", [500, 503, 429, 400])
def test_an_inference_is_sent_once(
    listener: tuple[str, type[Listener]], status: int
) -> None:
    address, ear = listener
    ear.status = status
    client = aws_client("sagemaker-runtime", CloudSettings(runtime_url=address))
    with pytest.raises(CloudError), in_plain_words("segment an image"):
        client.invoke_endpoint(EndpointName="cells", Body=b"1")
    assert len(ear.heard) == 1


def test_only_hosts_of_aws_are_aws() -> None:
    assert is_aws("https://runtime.sagemaker.eu-central-1.amazonaws.com")
    assert is_aws("https://sts.cn-north-1.amazonaws.com.cn")
    assert not is_aws("http://runtime.sagemaker.eu-central-1.amazonaws.com")
    assert not is_aws("https://amazonaws.com.example.org")
    assert not is_aws("https://evilamazonaws.com")
    assert not is_aws("https://example.org/.amazonaws.com")


def test_the_region_may_come_from_the_variable_that_other_programs_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert open_session(AwsAccount()).region_name == "eu-west-3"
    assert open_session(AwsAccount(region=REGION)).region_name == REGION


def test_a_missing_region_and_profile_are_told() -> None:
    with pytest.raises(CloudError, match="No region is chosen"):
        aws_client("sagemaker-runtime", CloudSettings())
    with pytest.raises(CloudError, match=r"\(lab\)"):
        aws_client("s3", CloudSettings(AwsAccount(profile="lab")))
    assert REGION in region_names()


def test_profiles_are_offered_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(f"[profile lab]\nregion = {REGION}\n[profile core]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert profile_names() == ["core", "lab"]


def test_who_we_are_and_where_is_told() -> None:
    address = empty_aws()
    settings = CloudSettings(AwsAccount(region=REGION, endpoint_url=address))

    found = identity_of(settings)

    s3 = aws_client("s3", settings)
    s3.create_bucket(
        Bucket="plates", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    with pytest.raises(CloudError, match="no such thing"), in_plain_words("read"):
        s3.get_object(Bucket="plates", Key="A01 ä.tif")
    assert len(found.account) == 12
    assert (found.region, found.address) == (REGION, address)
    assert found.arn.endswith(found.name)


@pytest.mark.parametrize(
    ("code", "status", "words", "is_free"),
    [
        ("ExpiredTokenException", 403, "aws sso login --profile lab", False),
        ("AccessDeniedException", 403, "may not segment an image", False),
        ("ThrottlingException", 400, "Wait a minute", True),
        ("ModelNotReadyException", 429, "is starting", True),
        ("ServiceUnavailable", 503, "Wait a minute", True),
        ("InternalFailure", 500, "fault of its own", False),
        ("ResourceLimitExceeded", 400, "quota", False),
        ("Unheard", 418, "Unheard", False),
        ("307", 307, "not followed", False),
        ("413", 413, "smaller region", False),
    ],
)
def test_refusals_become_sentences(
    code: str, status: int, words: str, is_free: bool
) -> None:
    answer = {
        "Error": {"Code": code, "Message": "so\nit is"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    error = error_of_answer(answer, "segment an image", "lab")
    assert words in str(error)
    assert "\n" not in str(error)
    assert error.is_free is is_free


def test_the_containers_own_words_are_passed_on() -> None:
    answer = {
        "Error": {"Code": "ModelError", "Message": "Received client error (400)"},
        "ResponseMetadata": {"HTTPStatusCode": 424},
        "OriginalStatusCode": 400,
        "OriginalMessage": '{"error": "The image is empty."}',
    }
    error = error_of_answer(answer, "segment an image")
    assert str(error) == "The endpoint says: The image is empty."


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("SignatureDoesNotMatch", "Signature expired: 20261121T0900Z is now earlier"),
        ("InvalidSignatureException", "Signature not yet current: 20261121T0900Z is"),
        ("RequestTimeTooSkewed", "The difference is too large"),
    ],
)
def test_a_clock_that_is_wrong_is_not_taken_for_wrong_keys(
    code: str, told: str
) -> None:
    answer = {"Error": {"Code": code, "Message": told}}
    assert "clock of this computer" in str(error_of_answer(answer, "look"))
    wrong = {"Error": {"Code": code, "Message": "The signature we calculated"}}
    assert code == "RequestTimeTooSkewed" or "credentials" in str(
        error_of_answer(wrong, "look")
    )


WITH_CODE = """
[profile base]
region = eu-central-1
[profile lab]
region = eu-central-1
role_arn = arn:aws:iam::123456789012:role/microscopy
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/me
"""
KEYS = "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s\n"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A person whose role wants a code of a second factor."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    folder = tmp_path / ".aws"
    folder.mkdir()
    (folder / "config").write_text(WITH_CODE)
    (folder / "credentials").write_text(KEYS)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setattr("napari_cellseg.io.aws._BORROWED._own", {})
    return tmp_path


def test_a_role_that_wants_a_code_says_where_to_type_it(home: Path) -> None:
    """boto3 would wait for it on a terminal that a window may not have."""
    with pytest.raises(CloudError, match="get-caller-identity --profile lab"):
        identity_of(CloudSettings(AwsAccount("lab")))


def test_a_role_that_the_command_line_took_on_is_used(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.credentials import JSONFileCache

    asked: list[str] = []

    class Asked(dict[str, object]):
        def __contains__(self, key: object) -> bool:
            asked.append(str(key))
            return False

    def key_used() -> str:
        keys = open_session(AwsAccount("lab")).get_credentials()
        return str(keys.get_frozen_credentials().access_key)

    def role(name: str, end: str) -> dict[str, dict[str, str]]:
        keys = {"AccessKeyId": name, "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": {**keys, "Expiration": end}}

    with monkeypatch.context() as patch:
        patch.setattr(aws, "_of_command_line", Asked)
        with pytest.raises(aws.CodeWantedError):
            key_used()
    folder = home / ".aws" / "cli" / "cache"
    JSONFileCache(str(folder))[asked[0]] = role("THEIRS", "2999-11-21T22:00:00UTC")
    assert key_used() == "THEIRS"
    aws._BORROWED[asked[0]] = role("OURS", "2999-11-21T23:00:00UTC")
    assert key_used() == "OURS"
    aws._BORROWED[asked[0]] = role("OURS", "2999-11-21T21:00:00UTC")
    assert key_used() == "THEIRS"
    # What we took on ourselves is written nowhere.
    assert len(list(folder.iterdir())) == 1
