"""What SageMaker's kinds of endpoints let through, once, for client, server and deployment.

From the service's documentation: bodies are counted in both directions, seconds are those
of one answer of the container.
"""

from __future__ import annotations

from dataclasses import dataclass

#: The variable that tells our container which kind of endpoint it stands behind.
KIND_VARIABLE = "CELLSEG_ENDPOINT_KIND"
MB = 10**6
#: The largest answer that is taken: the maps of a window, or labels.
MAX_ANSWER_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """What one kind of endpoint lets through.

    Attributes
    ----------
    title : str
        As in a sentence.
    body_bytes : int
        Largest request, and largest answer.
    seconds : float
        The longest that the container may take for one answer.
    """

    title: str
    body_bytes: int
    seconds: float


LIMITS = {
    "real-time": EndpointLimits("a real-time endpoint", 25 * MB, 60.0),
    "serverless": EndpointLimits("a serverless endpoint", 4 * MB, 60.0),
    "async": EndpointLimits("an endpoint that works through S3", 1000 * MB, 3600.0),
    "batch": EndpointLimits("a batch transform", 100 * MB, 600.0),
}
#: What the container leaves of its seconds for the way back.
SPARE_SECONDS = 5.0
#: An answer that comes as a stream may take this long on a real-time endpoint.
STREAM_SECONDS = 480.0
#: `CustomAttributes` of a request, in ASCII characters.
MAX_ATTRIBUTES = 1024
