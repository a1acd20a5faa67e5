"""The function, a batch at a time: each image once, each failure told, nothing else touched."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

import pytest
import urllib3

from moto_server import moto_aws
from napari_cellseg.cloud.pipeline import handler as handler_module
from napari_cellseg.cloud.pipeline import runs
from napari_cellseg.cloud.pipeline.contract import (
    PARTS,
    WHOLE_TYPE,
    PipelineSettings,
    settings_from,
)
from napari_cellseg.cloud.pipeline.handler import ERROR_ATTRIBUTE, Pipeline, handler
from napari_cellseg.core.errors import OptionsError

boto3 = pytest.importorskip("boto3", reason="the extra 'aws' is not installed")
from botocore.exceptions import ClientError, ReadTimeoutError  # noqa: E402

BUCKET, TABLE = "plates", "runs"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
KEY = "input/plate 1/Zellkörper +µ 細胞.png"


def whole(n_cells: int = 3) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in PARTS:
            file.writestr(
                name, json.dumps({"n_cells": n_cells, "model": {"name": "m"}})
            )
    return buffer.getvalue()


class FakeEndpoint:
    """Answers what it is told to; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: Callable[[dict[str, Any]], bytes] = lambda _: whole()
        self.kind = WHOLE_TYPE

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        body = self.answers(request)
        return {"Body": io.BytesIO(body), "ContentType": self.kind}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        name = f"{len(self.asked)}"
        return {
            "OutputLocation": f"s3://{BUCKET}/async/out/{name}.out",
            "FailureLocation": f"s3://{BUCKET}/async/failed/{name}.out",
        }


@pytest.fixture(scope="module", autouse=True)
def aws() -> Iterator[str]:
    with moto_aws() as address:
        yield address


@pytest.fixture
def pipeline(aws: str) -> Pipeline:
    """Return a pipeline with an empty bucket, table and queue."""
    urllib3.request("POST", f"{aws}/moto-api/reset")
    s3, sqs, table = boto3.client("s3"), boto3.client("sqs"), boto3.client("dynamodb")
    s3.create_bucket(Bucket=BUCKET)
    table.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    settings = PipelineSettings(BUCKET, TABLE, "cells", url)
    return Pipeline(settings, s3, sqs, FakeEndpoint(), runs.RunTable(table, settings))


@pytest.fixture
def endpoint(pipeline: Pipeline) -> FakeEndpoint:
    found: FakeEndpoint = pipeline.endpoint
    return found


def upload(pipeline: Pipeline, key: str = KEY, body: bytes = PNG) -> None:
    pipeline.s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def record(key: str = KEY, bucket: str = BUCKET, **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key)}},
        **more,
    }


def message(*records: dict[str, Any], count: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "messageId": "1",
        "body": json.dumps({"Records": list(records)}),
        "attributes": {"ApproximateReceiveCount": str(count)},
        "messageAttributes": {},
        **more,
    }


def keys(pipeline: Pipeline, prefix: str = "output/") -> list[str]:
    found = pipeline.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def buried(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Return what lies in the queue of failures."""
    found = pipeline.sqs.receive_message(
        QueueUrl=pipeline.settings.dead_letters,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=0,
    )
    return list(found.get("Messages", []))


def rows(pipeline: Pipeline) -> list[dict[str, Any]]:
    found = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
    return [pipeline.table.row(item["run_id"]["S"]) for item in found]


def why(found: dict[str, Any]) -> str:
    return str(found["MessageAttributes"][ERROR_ATTRIBUTE]["StringValue"])


def test_an_upload_becomes_four_files_and_a_row(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    assert pipeline.take(message(record()))

    stem = "output/plate 1/Zellkörper +µ 細胞.png_"
    assert keys(pipeline) == sorted(stem + name for name in PARTS)
    (row,) = rows(pipeline)
    assert (row["run_state"], row["n_cells"], row["attempts"]) == ("done", 3, 1)
    assert row["image_key"] == KEY
    (asked,) = endpoint.asked
    assert (asked["ContentType"], asked["Accept"]) == ("image/png", WHOLE_TYPE)
    told = json.loads(asked["CustomAttributes"])
    assert told["file"] == "Zellkörper +µ 細胞.png"
    assert asked["CustomAttributes"].isascii()


def test_the_counts_say_which_image_they_are_of(pipeline: Pipeline) -> None:
    upload(pipeline)
    pipeline.take(message(record()))

    key = next(key for key in keys(pipeline) if key.endswith("counts.json"))
    counts = json.loads(pipeline.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert counts["source"] == f"s3://{BUCKET}/{KEY}"
    assert counts["n_cells"] == 3


def test_every_record_of_a_message_counts(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    for name in "abc":
        upload(pipeline, f"input/{name}.png")

    pipeline.take(message(*(record(f"input/{name}.png") for name in "abc")))

    assert len(endpoint.asked) == 3
    assert len(keys(pipeline)) == 12


def test_a_duplicate_is_not_done_twice(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    assert pipeline.take(message(record()))
    assert pipeline.take(message(record(eventName="ObjectCreated:Post")))

    assert len(endpoint.asked) == 1


def test_an_image_that_is_being_worked_on_is_left_and_comes_again(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)
    again: list[bool] = []

    def answer(_: object) -> bytes:
        again.append(pipeline.take(message(record())))
        return whole()

    endpoint.answers = answer
    assert pipeline.take(message(record()))

    assert again == [False]
    assert len(endpoint.asked) == 1


def test_a_lease_that_ran_out_is_taken_over(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    settings = replace(pipeline.settings, lease_seconds=-1)
    dead = replace(pipeline, table=runs.RunTable(boto3.client("dynamodb"), settings))
    upload(pipeline)

    def die(_: object) -> bytes:
        raise KeyboardInterrupt

    endpoint.answers = die
    with pytest.raises(KeyboardInterrupt):
        dead.take(message(record()))
    endpoint.answers = lambda _: whole()

    assert pipeline.take(message(record()))
    assert rows(pipeline)[0]["run_state"] == "done"
    assert rows(pipeline)[0]["attempts"] == 2


def test_the_same_image_uploaded_again_later_is_a_run_of_its_own(
    pipeline: Pipeline,
) -> None:
    from datetime import UTC, datetime

    found = {
        "ETag": '"x"',
        "ContentLength": 1,
        "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
    }
    later = {**found, "LastModified": datetime(2026, 1, 2, tzinfo=UTC)}

    ids = [runs.run_of(pipeline.settings, KEY, one).run_id for one in (found, later)]
    assert ids[0] != ids[1]
    assert ids[0] == runs.run_of(pipeline.settings, KEY, dict(found)).run_id


def refusal(code: str, **more: Any) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "told"}, **more}
    return ClientError(answer, "InvokeEndpoint")


@pytest.mark.parametrize(
    "error",
    [
        refusal("ModelError", OriginalStatusCode=500, OriginalMessage="oops"),
        refusal("ModelError", OriginalStatusCode=503, OriginalMessage="{}"),
        refusal("ThrottlingException"),
        refusal("ModelNotReadyException"),
        refusal("ValidationError"),
        refusal("ExpiredTokenException"),
        ReadTimeoutError(endpoint_url="http://x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_work_later_comes_again_and_then_works(
    error: Exception, pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    def fail(_: object) -> bytes:
        raise error

    endpoint.answers = fail
    assert not pipeline.take(message(record()))
    assert rows(pipeline)[0]["run_state"] == "waiting"
    endpoint.answers = lambda _: whole()

    assert pipeline.take(message(record(), count=2))
    assert rows(pipeline)[0]["run_state"] == "done"
    assert buried(pipeline) == []


def test_after_the_last_try_the_row_says_failed_and_a_redrive_works(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    def fail(_: object) -> bytes:
        raise refusal("ModelError", OriginalStatusCode=500, OriginalMessage="oops")

    endpoint.answers = fail
    assert not pipeline.take(message(record(), count=5))
    assert rows(pipeline)[0]["run_state"] == "failed"
    assert "oops" in rows(pipeline)[0]["error"]
    endpoint.answers = lambda _: whole()

    assert pipeline.take(message(record()))
    assert rows(pipeline)[0]["run_state"] == "done"


def test_an_image_that_cannot_be_segmented_is_told_of_once(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    def refuse(_: object) -> bytes:
        text = json.dumps({"error": "the image is cut short"})
        raise refusal("ModelError", OriginalStatusCode=400, OriginalMessage=text)

    endpoint.answers = refuse
    assert pipeline.take(message(record()))
    assert pipeline.take(message(record()))

    (dead,) = buried(pipeline)
    assert why(dead) == "the image is cut short"
    assert json.loads(dead["Body"])["Records"] == [record()]
    assert rows(pipeline)[0]["run_state"] == "refused"
    assert len(endpoint.asked) == 1


def test_a_refused_image_that_is_sent_again_by_hand_is_done(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    def refuse(_: object) -> bytes:
        raise refusal("ModelError", OriginalStatusCode=400, OriginalMessage="bad")

    endpoint.answers = refuse
    pipeline.take(message(record()))
    (dead,) = buried(pipeline)
    endpoint.answers = lambda _: whole()

    sent_again = message(record(), messageAttributes=dead["MessageAttributes"])
    assert pipeline.take(sent_again)
    assert rows(pipeline)[0]["run_state"] == "done"


@pytest.mark.parametrize(
    ("body", "words"),
    [(b"", "is empty"), (b"hello", "no TIFF, PNG or JPEG"), (b"PK\3\4", "no TIFF")],
)
def test_what_is_no_image_never_reaches_the_endpoint(
    body: bytes, words: str, pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline, body=body)

    assert pipeline.take(message(record()))

    assert words in why(buried(pipeline)[0])
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("hostile", "words"),
    [
        (record(bucket="secrets"), "names the bucket 'secrets'"),
        (record("input/../../etc/passwd.png"), "holds '..'"),
        (record("input/a\\..\\b.png"), "backslash"),
        (record("input/a\x00b.png"), "control signs"),
        (record("input/a\nERROR b.png"), "control signs"),
        (record("input/a\u2028ERROR b.png"), "control signs"),
        (record("input/a\u202egnp.tif"), "control signs"),
        (record("input/\u2066a.tif"), "control signs"),
        (record(f"input/{'x' * 1015}.png"), "too long"),
    ],
    ids=lambda value: value if isinstance(value, str) else "record",
)
def test_a_hostile_record_is_refused_in_a_sentence(
    hostile: dict[str, Any], words: str, pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    assert pipeline.take(message(hostile))

    (dead,) = buried(pipeline)
    assert words in why(dead)
    assert "\n" not in why(dead)
    assert endpoint.asked == []
    assert keys(pipeline) == []


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "[" * 200_000,
        json.dumps({"Records": [record(s3={"object": {"key": "input/a.png"}})]}),
        json.dumps({"Records": [record(s3={"bucket": [], "object": {"key": "a"}})]}),
        json.dumps(
            {"Records": [record(s3={"bucket": {"name": 3}, "object": {"key": "a"}})]}
        ),
        json.dumps({"Records": [None, 3]}),
        json.dumps({"Event": 3, "Records": None}),
        "[]",
        "{}",
        '{"Records": "x"}',
        '{"Records": [{}]}',
        json.dumps({"Records": [{**record(), "eventSource": "evil"}]}),
        json.dumps({"Records": [{**record(), "eventVersion": "9.0"}]}),
        json.dumps({"Records": [record()] * 200}),
    ],
)
def test_a_message_that_is_none_of_s3_is_told_of(
    body: str, pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    assert pipeline.take({**message(), "body": body})

    assert "nothing was done" in why(buried(pipeline)[0])
    assert endpoint.asked == []


@pytest.mark.parametrize(
    "one",
    [
        record("output/a.png_labels.tif"),
        record("elsewhere/a.png"),
        record("input/folder/"),
        record("input/gone.png"),
        record(eventName="ObjectRemoved:Delete"),
    ],
    ids=["output", "elsewhere", "folder", "gone", "removed"],
)
def test_what_is_no_image_of_the_input_is_left_alone(
    one: dict[str, Any], pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline, "output/a.png_labels.tif")
    upload(pipeline, "elsewhere/a.png")

    assert pipeline.take(message(one))

    assert endpoint.asked == []
    assert buried(pipeline) == []
    assert rows(pipeline) == []


def test_the_test_message_of_s3_is_left_alone(pipeline: Pipeline) -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})

    assert pipeline.take({**message(), "body": body})
    assert buried(pipeline) == []


def test_the_table_of_cells_in_3d_is_written_too(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    buffer = io.BytesIO(whole())
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("cells_3d.csv", "label")
    upload(pipeline)
    endpoint.answers = lambda _: buffer.getvalue()

    assert pipeline.take(message(record()))
    assert len(keys(pipeline)) == len(PARTS) + 1
    assert any(key.endswith("_cells_3d.csv") for key in keys(pipeline))


def test_the_table_in_3d_goes_when_a_plane_takes_the_place_of_a_stack(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    buffer = io.BytesIO(whole())
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("cells_3d.csv", "label")
    endpoint.answers = lambda _: buffer.getvalue()
    upload(pipeline)
    pipeline.take(message(record()))
    endpoint.answers = lambda _: whole(2)
    upload(pipeline, body=PNG + b"a plane now")

    assert pipeline.take(message(record()))

    assert len(keys(pipeline)) == len(PARTS)
    assert not any(key.endswith("_cells_3d.csv") for key in keys(pipeline))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>Welcome</html>", "text/html"),
        (b"PK", WHOLE_TYPE),
        (whole()[:-20], WHOLE_TYPE),
        (whole(), "application/zip"),
    ],
    ids=["page", "cut", "no end", "other"],
)
def test_an_answer_that_is_none_of_our_server_comes_again(
    body: bytes, kind: str, pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)
    endpoint.answers, endpoint.kind = lambda _: body, kind

    assert not pipeline.take(message(record()))
    assert keys(pipeline) == []


def test_an_answer_that_would_fill_the_memory_is_not_unpacked(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in PARTS:
            file.writestr(name, bytes(60 * 2**20))
    upload(pipeline)
    endpoint.answers = lambda _: buffer.getvalue()

    assert not pipeline.take(message(record()))
    assert "251658240 bytes" in rows(pipeline)[0]["error"]


@pytest.mark.parametrize(
    "counts", ["[]", '{"n_cells": "many"}', '{"n_cells": 1, "model": 3}', "[" * 99_999]
)
def test_counts_that_are_none_come_again(
    counts: str, pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in PARTS:
            file.writestr(name, counts)
    upload(pipeline)
    endpoint.answers = lambda _: buffer.getvalue()

    assert not pipeline.take(message(record()))
    assert keys(pipeline) == []


def test_results_of_an_image_that_was_replaced_meanwhile_are_dropped(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)

    def replace_it(_: object) -> bytes:
        upload(pipeline, body=PNG + b"new")
        return whole()

    endpoint.answers = replace_it
    assert pipeline.take(message(record()))

    assert keys(pipeline) == []
    assert rows(pipeline)[0]["run_state"] == "replaced"


@pytest.fixture
def for_large(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with an asynchronous endpoint for files over 50 bytes."""
    settings = replace(
        pipeline.settings, async_endpoint="cells-async", realtime_bytes=50
    )
    return replace(pipeline, settings=settings)


def test_a_large_image_goes_to_the_asynchronous_endpoint(
    for_large: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(for_large)
    assert for_large.take(message(record()))
    assert for_large.take(message(record()))

    (asked,) = endpoint.asked
    assert asked["InputLocation"].isascii()
    copy = asked["InputLocation"].removeprefix(f"s3://{BUCKET}/")
    assert copy.startswith("async/in/")
    assert for_large.s3.get_object(Bucket=BUCKET, Key=copy)["Body"].read() == PNG
    assert keys(for_large) == []
    upload(for_large, "async/out/1.out", whole(7))
    assert for_large.take(message(record("async/out/1.out")))
    assert for_large.take(message(record("async/out/1.out")))

    assert len(keys(for_large)) == 4
    done = [row for row in rows(for_large) if "run_state" in row]
    assert [(row["run_state"], row["n_cells"]) for row in done] == [("done", 7)]


def test_a_large_image_that_fails_is_told_of_and_can_be_sent_again(
    for_large: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(for_large)
    for_large.take(message(record()))
    upload(for_large, "async/failed/1.out", b"out of memory")

    assert for_large.take(message(record("async/failed/1.out")))

    (dead,) = buried(for_large)
    assert "out of memory" in why(dead)
    (one,) = json.loads(dead["Body"])["Records"]
    again = message(one, messageAttributes=dead["MessageAttributes"])
    assert for_large.take(again)
    assert len(endpoint.asked) == 2


def test_an_endpoint_that_answers_elsewhere_is_asked_once(
    for_large: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(for_large)
    settings = replace(for_large.settings, async_prefix="x/", async_failed_prefix="x/")

    assert replace(for_large, settings=settings).take(message(record()))
    assert "has to be below s3://plates/x/" in why(buried(for_large)[0])
    assert len(endpoint.asked) == 1


def test_an_answer_that_nobody_waits_for_yet_comes_again(for_large: Pipeline) -> None:
    upload(for_large, "async/out/9.out", whole())

    assert not for_large.take(message(record("async/out/9.out")))


def test_a_large_image_without_such_an_endpoint_is_refused(
    pipeline: Pipeline, endpoint: FakeEndpoint
) -> None:
    upload(pipeline)
    small = replace(pipeline, settings=replace(pipeline.settings, realtime_bytes=50))

    assert small.take(message(record()))
    assert "AsyncEndpointName" in why(buried(pipeline)[0])
    assert endpoint.asked == []


def test_a_batch_names_the_messages_that_failed(
    pipeline: Pipeline, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        upload(pipeline, f"input/{name}.png")
    monkeypatch.setattr(handler_module, "_pipeline", lambda: pipeline)

    def fail_b(request: dict[str, Any]) -> bytes:
        if '"b.png"' in request["CustomAttributes"]:
            raise refusal("ThrottlingException")
        return whole()

    endpoint.answers = fail_b
    messages = [
        {**message(record(f"input/{name}.png")), "messageId": name} for name in "ab"
    ]
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 300_000)

    answer = handler({"Records": messages}, context)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "b"}]}


def test_what_cannot_end_in_time_is_not_begun(
    pipeline: Pipeline, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(pipeline)
    monkeypatch.setattr(handler_module, "_pipeline", lambda: pipeline)
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 20_000)

    answer = handler({"Records": [message(record())]}, context)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert endpoint.asked == []


def test_the_settings_come_from_the_variables() -> None:
    found = settings_from(
        {
            "CELLSEG_BUCKET": "b",
            "CELLSEG_TABLE": "t",
            "CELLSEG_ENDPOINT": "e",
            "CELLSEG_DEAD_LETTERS": "q",
            "CELLSEG_MAX_RECEIVES": "3",
        }
    )
    assert (found.bucket, found.max_receives) == ("b", 3)


@pytest.mark.parametrize(
    "variables",
    [{}, {"CELLSEG_BUCKET": "b"}, {"CELLSEG_MAX_RECEIVES": "many"}],
)
def test_missing_variables_are_told_of(variables: dict[str, str]) -> None:
    with pytest.raises(OptionsError, match="Deploy the template again"):
        settings_from(variables)


def test_prefixes_that_lie_in_each_other_are_refused() -> None:
    with pytest.raises(OptionsError, match="must end in / and lie apart"):
        PipelineSettings("b", "t", "e", "q", output_prefix="input/results/")
