"""What of ours runs in an account, since when, and what it costs."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from napari_cellseg.cloud.account.costs import Prices, dollars
from napari_cellseg.cloud.account.place import APP_TAG, MODE_TAG, STOP_TAG
from napari_cellseg.cloud.account.requests import Call
from napari_cellseg.cloud.account.sending import Sender, found
from napari_cellseg.cloud.sagemaker.deploy_plan import SAGEMAKER
from napari_cellseg.core.cloud_options import ASYNC, REAL_TIME, SERVERLESS

ENDPOINT, TRAINING, BATCH = "endpoint", "training job", "batch job"


@dataclass(frozen=True, slots=True)
class Running:
    """Something of ours that is there, and costs money while it is.

    Attributes
    ----------
    kind : str
        ``"endpoint"``, ``"training job"`` or ``"batch job"``.
    name, status : str
        As AWS has them.
    since : datetime
        When it was made.
    instance_type : str
        Computers that it runs on; "" for serverless.
    n_instances : int
        How many of them run now.
    mode : str
        Of an endpoint, see `DeployOptions.mode`; "" for jobs.
    stop_at : datetime or None
        When it is to be gone.
    """

    kind: str
    name: str
    status: str
    since: datetime
    instance_type: str
    n_instances: int
    mode: str = ""
    stop_at: datetime | None = None

    def hours(self, now: datetime) -> float:
        """Return for how long it is there."""
        return max(0.0, (now - self.since).total_seconds() / 3600)

    def hourly(self, prices: Prices) -> float | None:
        """Return US dollars an hour as it runs now; None where no price is known."""
        if self.mode == SERVERLESS or self.n_instances == 0:
            return 0.0
        return prices.hourly(self.instance_type, self.n_instances)

    def is_overdue(self, now: datetime) -> bool:
        """Return True if it was to be gone by now."""
        return self.stop_at is not None and now > self.stop_at

    def sentence(self, prices: Prices, now: datetime) -> str:
        """Return what runs on which computers, since when, and at which cost."""
        title = f"{self.kind} {self.name} ({self._computers()}, {self.status})"
        return f"{title}: {self.cost_words(prices, now)}"

    def cost_words(self, prices: Prices, now: datetime) -> str:
        """Return since when it runs, at which cost, and until when."""
        hours = self.hours(now)
        since = f"still running since {self.since:%Y-%m-%d %H:%M} UTC ({hours:.1f} h)"
        end = ""
        if self.stop_at:
            word = "OVERDUE, was to be gone" if self.is_overdue(now) else "to be gone"
            end = f"; {word} at {self.stop_at:%Y-%m-%d %H:%M} UTC"
        return f"{since}, {self._cost(prices, hours)}{end}"

    def _computers(self) -> str:
        if self.mode == SERVERLESS:
            return SERVERLESS
        mode = f"{self.mode}, " if self.mode else ""
        return f"{mode}{self.n_instances} × {self.instance_type}"

    def _cost(self, prices: Prices, hours: float) -> str:
        if self.mode == SERVERLESS:
            return "costs only while it works"
        if self.n_instances == 0:
            return "asleep, costs nothing now"
        price = self.hourly(prices)
        if price is None:
            return f"no price is known for {self.instance_type}"
        so_far = "" if self.mode == ASYNC else f", {dollars(price * hours)} so far"
        return f"about {dollars(price)} an hour{so_far}"


def running(sender: Sender, also: Container[str] = ()) -> Iterator[Running]:
    """Yield everything of ours that is there in the region.

    Parameters
    ----------
    sender : Sender
        The account.
    also : container of str
        Names of endpoints that are told of whoever made them.

    Raises
    ------
    CloudError
        If AWS cannot be asked.
    """
    yield from _endpoints(sender, also)
    yield from _jobs(sender, TRAINING)
    yield from _jobs(sender, BATCH)


def _endpoints(sender: Sender, also: Container[str]) -> Iterator[Running]:
    for page in sender.pages(SAGEMAKER, "ListEndpoints", "list endpoints"):
        for each in page["Endpoints"]:
            tags = sender.tags_of(each["EndpointArn"])
            if tags.get(APP_TAG[0]) == APP_TAG[1] or each["EndpointName"] in also:
                yield _endpoint(each["EndpointName"], tags, sender)


def _endpoint(name: str, tags: dict[str, str], sender: Sender) -> Running:
    state = sender.ask(
        SAGEMAKER, "DescribeEndpoint", f"look at '{name}'", EndpointName=name
    )
    config = state["EndpointConfigName"]
    call = Call(
        SAGEMAKER,
        "DescribeEndpointConfig",
        {"EndpointConfigName": config},
        f"look at the settings of '{name}'",
    )
    # Settings may be deleted under an endpoint, which runs on.
    settings = found(sender, call) or {}
    variant = (settings.get("ProductionVariants") or [{}])[0]
    now = (state.get("ProductionVariants") or [{}])[0]
    return Running(
        ENDPOINT,
        name,
        state["EndpointStatus"],
        state["CreationTime"],
        variant.get("InstanceType", ""),
        int(now.get("CurrentInstanceCount", variant.get("InitialInstanceCount", 0))),
        tags.get(MODE_TAG, REAL_TIME),
        _time(tags.get(STOP_TAG, "")),
    )


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


#: How jobs of a kind are listed: request, key of the list, key of the name, key of the ARN.
LISTS = {
    TRAINING: (
        "ListTrainingJobs",
        "TrainingJobSummaries",
        "TrainingJobName",
        "TrainingJobArn",
    ),
    BATCH: (
        "ListTransformJobs",
        "TransformJobSummaries",
        "TransformJobName",
        "TransformJobArn",
    ),
}


def _jobs(sender: Sender, kind: str) -> Iterator[Running]:
    """Yield the jobs that are under way."""
    operation, summaries, name_key, arn_key = LISTS[kind]
    pages = sender.pages(
        SAGEMAKER, operation, f"list each {kind}", StatusEquals="InProgress"
    )
    for page in pages:
        for each in page[summaries]:
            if sender.is_ours(each[arn_key]):
                yield _job(each[name_key], kind, sender)


def _job(name: str, kind: str, sender: Sender) -> Running:
    operation = "DescribeTrainingJob" if kind == TRAINING else "DescribeTransformJob"
    job: dict[str, Any] = sender.ask(
        SAGEMAKER, operation, f"look at '{name}'", **{LISTS[kind][2]: name}
    )
    computers = job.get("ResourceConfig") or job.get("TransformResources") or {}
    status = job.get("SecondaryStatus") or job.get("TransformJobStatus") or "?"
    return Running(
        kind,
        name,
        status,
        job["CreationTime"],
        computers.get("InstanceType", ""),
        int(computers.get("InstanceCount", 0)),
    )
