"""The template as AWS reads it: no linter's complaint, no right too many, no loop."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.cloud.pipeline import package
from napari_cellseg.cloud.pipeline.contract import VARIABLES, PipelineSettings

pytest.importorskip("cfnlint", reason="cfn-lint is not installed")
from cfnlint.api import lint
from cfnlint.decode import cfn_yaml


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """Return the template with every short form written out."""
    text = package.template_text()
    return json.loads(json.dumps(cfn_yaml.loads(text)))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def resources(template: dict[str, Any]) -> dict[str, Any]:
    return {
        name: one.get("Properties", {}) for name, one in template["Resources"].items()
    }


@pytest.fixture(scope="module")
def statements(resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what the function may do, by the names of the statements."""
    found: dict[str, dict[str, Any]] = {}
    for policy in resources["Role"]["Policies"]:
        for one in policy["PolicyDocument"]["Statement"]:
            statement = one["Fn::If"][1] if "Fn::If" in one else one
            found[statement["Sid"]] = statement
    return found


def complaints(text: str) -> list[str]:
    """Return the codes that cfn-lint, with its usual rules, gives for a template."""
    return [match.rule.id for match in lint(text, regions=["eu-central-1"])]


def test_the_linter_has_no_complaint() -> None:
    assert complaints(package.template_text()) == []


def test_the_linter_would_see_a_runtime_that_aws_dropped() -> None:
    old = package.template_text().replace("python3.13", "python3.7")

    assert complaints(old) == ["E2531"]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_right_is_for_everything(statements: dict[str, Any]) -> None:
    for statement in statements.values():
        assert "*" not in listed(statement["Resource"])
        assert all("*" not in action for action in listed(statement["Action"]))


def test_the_function_may_do_this_and_nothing_else(statements: dict[str, Any]) -> None:
    actions = {a for one in statements.values() for a in listed(one["Action"])}

    assert actions == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
        "s3:PutObject",
        "s3:DeleteObject",
        "sagemaker:InvokeEndpoint",
        "sagemaker:InvokeEndpointAsync",
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility",
        "sqs:SendMessage",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    }


def test_it_reads_the_input_only_and_writes_the_output_only(
    statements: dict[str, Any],
) -> None:
    read = [one["Fn::Sub"] for one in statements["ReadImages"]["Resource"]]
    written = [one["Fn::Sub"] for one in statements["WriteResults"]["Resource"]]
    removed = statements["RemoveOldTables"]["Resource"]["Fn::Sub"]

    assert [text.rsplit(":::", 1)[1] for text in read] == [
        "${BucketName}/input/*",
        "${BucketName}/async/*.out",
    ]
    assert [text.rsplit(":::", 1)[1] for text in written] == [
        "${BucketName}/output/*",
        "${BucketName}/async/in/*",
    ]
    assert removed.endswith(":::${BucketName}/output/*_cells_3d.csv")


def test_what_is_written_never_starts_the_pipeline(resources: dict[str, Any]) -> None:
    told = resources["Bucket"]["NotificationConfiguration"]["QueueConfigurations"]

    prefixes = [one["Filter"]["S3Key"]["Rules"][0] for one in told]
    assert [rule["Name"] for rule in prefixes] == ["prefix", "prefix"]
    usual = PipelineSettings("b", "t", "e", "q")
    assert [rule["Value"] for rule in prefixes] == [
        usual.input_prefix,
        usual.async_prefix,
    ]
    assert not any(usual.output_prefix.startswith(rule["Value"]) for rule in prefixes)


def test_only_our_bucket_may_fill_the_queue(resources: dict[str, Any]) -> None:
    (statement,) = resources["QueuePolicy"]["PolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["ArnEquals"] == {
        "aws:SourceArn": {"Fn::Sub": "arn:${AWS::Partition}:s3:::${BucketName}"}
    }
    assert "aws:SourceAccount" in statement["Condition"]["StringEquals"]


def test_failures_end_in_the_dead_letter_queue(resources: dict[str, Any]) -> None:
    redrive = resources["Queue"]["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert redrive["maxReceiveCount"] == {"Ref": "Tries"}
    mapping = resources["Messages"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_times_fit_to_each_other(resources: dict[str, Any]) -> None:
    timeout = resources["Function"]["Timeout"]
    variables = resources["Function"]["Environment"]["Variables"]

    assert resources["Queue"]["VisibilityTimeout"] >= 6 * timeout
    assert timeout < int(variables["CELLSEG_LEASE_SECONDS"])
    assert (
        int(variables["CELLSEG_LEASE_SECONDS"])
        < (resources["Queue"]["VisibilityTimeout"])
    )
    assert timeout >= resources["Messages"]["BatchSize"] * 70 + 80


def test_everything_is_encrypted_and_nothing_is_public(
    resources: dict[str, Any],
) -> None:
    assert all(resources["Bucket"]["PublicAccessBlockConfiguration"].values())
    assert resources["Bucket"]["BucketEncryption"]
    assert resources["Queue"]["SqsManagedSseEnabled"] is True
    assert resources["DeadLetters"]["SqsManagedSseEnabled"] is True
    assert resources["Runs"]["SSESpecification"]["SSEEnabled"] is True
    (statement,) = resources["BucketPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_images_and_runs_stay_when_the_stack_goes(template: dict[str, Any]) -> None:
    for name in ("Bucket", "Runs"):
        assert template["Resources"][name]["DeletionPolicy"] == "Retain"


def test_logs_do_not_stay_for_ever(resources: dict[str, Any]) -> None:
    assert resources["LogGroup"]["RetentionInDays"] == {"Ref": "LogDays"}


def test_the_variables_are_those_that_the_function_reads(
    resources: dict[str, Any],
) -> None:
    variables = resources["Function"]["Environment"]["Variables"]

    assert set(variables) <= set(VARIABLES)
    assert {"bucket", "table", "endpoint", "dead_letters"} <= {
        VARIABLES[name] for name in variables
    }


def test_the_code_runs_with_boto3_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "code.zip").write_bytes(package.code_zip())
    program = """
import sys, importlib.abc
class Only(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.split('.')[0]
        if top in {'numpy', 'scipy', 'tifffile', 'torch', 'PIL', 'zarr', 'skimage'}:
            raise ImportError('the function has no ' + name)
sys.meta_path.insert(0, Only())
sys.path.insert(0, sys.argv[1])
from napari_cellseg.cloud.pipeline import handler
handler._pipeline()
print(handler.__file__)
"""
    variables = {name: "1" for name in VARIABLES if not name.endswith("_PREFIX")}
    variables["CELLSEG_READING"] = "{}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path / "code.zip")],
        env={**variables, "AWS_DEFAULT_REGION": "us-east-1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "code.zip" in done.stdout


def test_the_zip_is_small_and_the_same_each_time() -> None:
    code = package.code_zip()

    assert code == package.code_zip()
    assert len(code) < 50_000
    with zipfile.ZipFile(io.BytesIO(code)) as file:
        assert all(name.startswith("napari_cellseg/") for name in file.namelist())


def test_the_command_prints_the_template() -> None:
    result = CliRunner().invoke(app, ["cloud", "pipeline", "template"])

    assert result.output == package.template_text()


def test_the_command_writes_both_files_and_says_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["cloud", "pipeline", "package", "-o", str(tmp_path / "p")]
    )

    (code,) = (tmp_path / "p").glob("*.zip")
    assert result.exit_code == 0, result.output
    assert f"CodeKey={code.name}" in result.output
    assert (tmp_path / "p" / "template.yaml").read_text() == package.template_text()
    assert code.read_bytes() == package.code_zip()
