"""What a server allows: in SageMaker's container, and on a computer of a lab."""

from __future__ import annotations

from collections.abc import Mapping

from napari_cellseg.cloud.limits import (
    KIND_VARIABLE,
    LIMITS,
    SPARE_SECONDS,
    STREAM_SECONDS,
)
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.serving.doors.desk import ServerOptions

#: SageMaker sets it where the container works for a batch transform.
BATCH_VARIABLE = "SAGEMAKER_BATCH"
#: Names of this computer itself; a page of somebody else comes under another one.
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")


def container_options(environment: Mapping[str, str], token: str = "") -> ServerOptions:
    """Return what SageMaker lets through, by the kind of endpoint it says.

    SageMaker guards the door itself and knows no token. One is set by who starts our
    container with a folder /opt/ml of their own, and is asked for then.

    Raises
    ------
    OptionsError
        If the kind is unknown.
    """
    is_batch = environment.get(BATCH_VARIABLE, "").lower() == "true"
    kind = "batch" if is_batch else environment.get(KIND_VARIABLE, "real-time")
    if kind not in LIMITS:
        raise OptionsError(
            f"{KIND_VARIABLE} is '{kind}'; it is one of {', '.join(LIMITS)}."
        )
    limits = LIMITS[kind]
    seconds = limits.seconds - SPARE_SECONDS
    return ServerOptions(
        token,
        max_body_bytes=limits.body_bytes,
        seconds=seconds,
        stream_seconds=max(seconds, STREAM_SECONDS - SPARE_SECONDS),
    )


def lab_options(
    token: str, *, is_alone: bool, seconds: float, store: str = ""
) -> ServerOptions:
    """Return what a lab server allows.

    Parameters
    ----------
    token : str
        What clients must send; "" lets everybody in.
    is_alone : bool
        True if it listens to this computer alone.
    seconds : float
        The longest that one image may take.
    store : str
        Folder or ``s3://bucket/prefix`` for answers that are fetched later.
    """
    if seconds <= 0:
        raise OptionsError(f"--seconds is {seconds}; it must be above 0.")
    hosts = OWN_NAMES if is_alone and not token else ("*",)
    return ServerOptions(
        token,
        seconds=seconds,
        stream_seconds=seconds,
        hosts=hosts,
        store=store,
    )
