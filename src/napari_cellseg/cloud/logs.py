"""What containers have printed, from CloudWatch."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.sending import Sender, is_missing

GROUPS = {
    "training job": "/aws/sagemaker/TrainingJobs",
    "batch job": "/aws/sagemaker/TransformJobs",
}
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/{name}"


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
