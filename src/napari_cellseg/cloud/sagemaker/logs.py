"""What containers have printed, from CloudWatch."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_cellseg.cloud.account.requests import Call
from napari_cellseg.cloud.account.sending import Sender, found, is_missing
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sagemaker.deploy_plan import SAGEMAKER

GROUPS = {
    "training job": "/aws/sagemaker/TrainingJobs",
    "batch job": "/aws/sagemaker/TransformJobs",
}
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/{name}"
#: How to ask for the state of what has a log: kind, request, key of its name and state.
ASKED = (
    ("training job", "DescribeTrainingJob", "TrainingJobName", "TrainingJobStatus"),
    ("batch job", "DescribeTransformJob", "TransformJobName", "TransformJobStatus"),
    ("endpoint", "DescribeEndpoint", "EndpointName", "EndpointStatus"),
)
#: A job in one of these does nothing any more, and writes nothing.
ENDED = ("Completed", "Failed", "Stopped")


@dataclass(slots=True)
class LogReader:
    """Reads what is new in a log, each time it is asked.

    Attributes
    ----------
    sender : Sender
        The account.
    group : str
        Log group.
    prefix : str
        How the names of its streams begin; each host has one.
    """

    sender: Sender
    group: str
    prefix: str = ""
    _places: dict[str, str] = field(default_factory=dict)

    def new_lines(self) -> list[str]:
        """Return the lines that were not read before; none while there is no log.

        Raises
        ------
        CloudError
            If AWS cannot be asked.
        """
        lines = []
        for stream in self._streams():
            lines += self._read(stream)
        return lines

    def _streams(self) -> list[str]:
        given = {"logStreamNamePrefix": self.prefix} if self.prefix else {}
        try:
            return [
                str(stream["logStreamName"])
                for page in self.sender.pages(
                    "logs",
                    "DescribeLogStreams",
                    f"read the log {self.group}",
                    logGroupName=self.group,
                    **given,
                )
                for stream in page["logStreams"]
            ]
        except CloudError as error:
            if is_missing(error):
                return []
            raise

    def _read(self, stream: str) -> list[str]:
        """Return the new lines of one stream."""
        lines: list[str] = []
        while True:
            place = self._places.get(stream)
            given = {"nextToken": place} if place else {}
            answer = self.sender.ask(
                "logs",
                "GetLogEvents",
                f"read the log {stream}",
                logGroupName=self.group,
                logStreamName=stream,
                startFromHead=True,
                **given,
            )
            lines += [str(event["message"]) for event in answer["events"]]
            self._places[stream] = answer["nextForwardToken"]
            # At its end a log gives the same place again.
            if answer["nextForwardToken"] == place or not answer["events"]:
                return lines


def log_of(name: str, kind: str, sender: Sender) -> LogReader:
    """Return the reader of the log of an endpoint or a job."""
    if kind in GROUPS:
        return LogReader(sender, GROUPS[kind], f"{name}/")
    return LogReader(sender, ENDPOINT_GROUP.format(name=name))


def all_logs(name: str, sender: Sender) -> list[LogReader]:
    """Return a reader for each log that an endpoint or job of a name may have."""
    readers = [LogReader(sender, group, f"{name}/") for group in GROUPS.values()]
    return [*readers, LogReader(sender, ENDPOINT_GROUP.format(name=name))]


@dataclass(frozen=True, slots=True)
class End:
    """How something that had a log has ended.

    Attributes
    ----------
    told : str
        A sentence.
    is_failure : bool
        True if it did not do what it was to do.
    """

    told: str
    is_failure: bool


@dataclass(slots=True)
class EndWatch:
    """Looks whether something has ended, each time it is asked.

    Attributes
    ----------
    name : str
        Of an endpoint or a job.
    sender : Sender
        The account.
    """

    name: str
    sender: Sender
    _kind: str = ""

    def end(self) -> End | None:
        """Return how it ended; None while it goes on, or was never there.

        Raises
        ------
        CloudError
            If AWS cannot be asked.
        """
        for kind, operation, key, state_key in ASKED:
            if self._kind in ("", kind):
                call = Call(
                    SAGEMAKER, operation, {key: self.name}, f"look at '{self.name}'"
                )
                answer = found(self.sender, call)
                if answer is not None:
                    self._kind = kind
                    reason = str(answer.get("FailureReason", ""))
                    return self._end_of(str(answer[state_key]), reason)
        if self._kind:
            return End(f"The {self._kind} '{self.name}' was deleted.", False)
        return None

    def _end_of(self, state: str, reason: str) -> End | None:
        """Return what a state means, None if it goes on."""
        if state not in ENDED:
            return None
        if state == "Failed":
            reason = reason or "AWS gives no reason."
            return End(f"The {self._kind} '{self.name}' failed: {reason}", True)
        word = "is completed" if state == "Completed" else "was stopped"
        return End(f"The {self._kind} '{self.name}' {word}.", False)
