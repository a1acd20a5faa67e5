"""Is a place ready to be used: asked step by step, at no cost, told in lines."""

from __future__ import annotations

import time
from datetime import datetime

from napari_cellseg.cloud.account.costs import dollars, hourly_text, read_prices
from napari_cellseg.cloud.account.place import now_utc
from napari_cellseg.cloud.client.choice import EndpointKind, kind_of, open_line
from napari_cellseg.cloud.client.lab import LabLine
from napari_cellseg.cloud.client.line import Line
from napari_cellseg.cloud.errors import (
    DENIED_CODES,
    NO_ANSWER,
    CloudError,
    in_plain_words,
)
from napari_cellseg.cloud.limits import LIMITS
from napari_cellseg.cloud.settings import CloudSettings, aws_client, identity_of
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.model_spec import model_spec_from_json

#: Names that are offered; who has more types the name.
MAX_NAMES = 100


def check_lab(address: str, token: str) -> Job[list[str]]:
    """Ask a lab server what it is, and return it in lines.

    Raises
    ------
    RemoteError
        If it does not answer; the sentence says what to do.
    """
    yield Progress(0, 1, f"asking {address}")
    line = LabLine(address, token)
    try:
        lines = _answer_lines(line)
    finally:
        line.close()
    return [*lines, f"Takes images of up to {line.max_bytes / 2**20:.0f} MB at once."]


def check_endpoint(endpoint: str, settings: CloudSettings) -> Job[list[str]]:
    """Ask who we are, how an endpoint is set up and what it runs; return it in lines.

    Raises
    ------
    RemoteError
        At the first step that fails; the sentence says what to do.
    """
    yield Progress(0, 3, "asking AWS who you are")
    me = identity_of(settings)
    lines = [f"Account {me.account} as {me.name}", f"{me.region} · {me.address}"]
    yield Progress(1, 3, "asking how the endpoint is set up")
    found = kind_of(endpoint, settings)
    lines += _kind_lines(found)
    yield Progress(2, 3, "asking what it runs")
    line = open_line(endpoint, settings)
    try:
        return lines + _answer_lines(line)
    finally:
        line.close()


def endpoint_names(settings: CloudSettings) -> list[str]:
    """Return the endpoints of a region, the newest first; none where not allowed.

    Raises
    ------
    CloudError
        If AWS cannot be asked.
    """
    try:
        with in_plain_words("list the endpoints", settings.aws.profile):
            answer = aws_client("sagemaker", settings).list_endpoints(
                SortBy="CreationTime", SortOrder="Descending", MaxResults=MAX_NAMES
            )
    except CloudError as error:
        if error.code in DENIED_CODES:
            return []
        raise
    if "Endpoints" not in answer:
        raise CloudError(NO_ANSWER)
    return [item["EndpointName"] for item in answer["Endpoints"]]


def _kind_lines(found: EndpointKind) -> list[str]:
    """Return how an endpoint is set up, and what it costs."""
    title = LIMITS[found.kind].title[0].upper() + LIMITS[found.kind].title[1:]
    lines = [f"{title}{f' · {found.status}' if found.status else ''}"]
    if found.kind == "serverless":
        return [*lines, "Costs nothing while nobody asks."]
    if not found.instance_type:
        return [*lines, "How it is set up, and so what it costs, may not be seen."]
    if found.kind == "async" and not found.n_instances:
        return [*lines, "At rest: costs nothing now, and takes minutes to start."]
    n_instances = max(1, found.n_instances)
    cost = hourly_text(found.instance_type, n_instances, read_prices())
    lines.append(f"{n_instances} × {found.instance_type}: {cost}.")
    if found.since is not None:
        lines.append(_since_words(found.since, found, n_instances))
    return lines


def _since_words(since: datetime, found: EndpointKind, n_instances: int) -> str:
    """Return since when an endpoint runs, and what that came to."""
    hours = max(0.0, (now_utc() - since).total_seconds() / 3600)
    price = read_prices().hourly(found.instance_type, n_instances)
    is_counted = price is not None and found.kind != "async"
    so_far = f", {dollars(price * hours)} so far" if price and is_counted else ""
    return (
        f"Still running since {since:%Y-%m-%d %H:%M} UTC ({hours:.1f} h{so_far}), until it "
        "is stopped."
    )


def _answer_lines(line: Line) -> list[str]:
    """Return what a server runs, and how long it took to say so."""
    started = time.perf_counter()
    about = line.about()
    seconds = time.perf_counter() - started
    if not about.model:
        return [about.device]
    spec = model_spec_from_json(about.model, line.name)
    return [
        f"Runs '{spec.title}' ({spec.weights_sha256[:12]}) on {about.device}",
        f"Answered in {seconds:.1f} s.",
    ]
