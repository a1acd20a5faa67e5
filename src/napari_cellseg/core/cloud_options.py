"""How a model is deployed and trained at AWS: every default, with unit and range."""

from __future__ import annotations

from dataclasses import dataclass

from napari_cellseg.core.options import Range, check_options, option

REAL_TIME, SERVERLESS, ASYNC = "real-time", "serverless", "async"
#: Names of computers at SageMaker.
INSTANCE = r"ml\.[a-z0-9-]+\.[a-z0-9]+"
FAST_FILE, FILE = "FastFile", "File"


def text_option(default: str, help_: str) -> str:
    """Return an option that may be any text."""
    chosen: str = option(default, Range(help=help_, pattern=r".*"))
    return chosen


@dataclass(frozen=True, slots=True)
class AccountOptions:
    """Whose account; what is empty is looked up, see `cloud.account.place.account_of`."""

    profile: str = text_option("", "Profile in ~/.aws; empty: what boto3 finds itself.")
    region: str = text_option("", "Such as eu-central-1; empty: the profile's.")
    endpoint_url: str = text_option("", "Stands in for AWS, such as a test server.")

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class PlaceOptions:
    """What of an account is ours; what is empty is looked up, see `cloud.account.place`."""

    image: str = text_option("", "Our container in ECR; or set CELLSEG_AWS_IMAGE.")
    role: str = text_option("", "ARN of SageMaker's role; or set CELLSEG_AWS_ROLE.")
    bucket: str = text_option(
        "", "Where models and results go; or set CELLSEG_AWS_BUCKET."
    )
    prefix: str = text_option("cellseg", "Folder in the bucket.")
    scheduler_role: str = text_option(
        "",
        "ARN of the role that deletes an endpoint at its time; "
        "or set CELLSEG_AWS_SCHEDULER_ROLE.",
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How an endpoint is set up. See each field's `Range`."""

    mode: str = option(
        REAL_TIME,
        Range(
            choices=(REAL_TIME, SERVERLESS, ASYNC),
            help="real-time: answers at once, costs all the time; serverless: no GPU, "
            "images up to 4 MB, costs only while it works; async: through S3, up to "
            "1 GB, goes to sleep when there is nothing to do.",
        ),
    )
    instance_type: str = option(
        "ml.g5.xlarge",
        Range(help="Computer that it runs on; not for serverless.", pattern=INSTANCE),
    )
    max_instances: int = option(
        1, Range(1, 50, help="Computers at the most, when there is much to do.")
    )
    memory_mb: int = option(
        6144, Range(1024, 6144, 1024, "MB", advanced=True, help="Of serverless.")
    )
    max_concurrency: int = option(
        4, Range(1, 200, advanced=True, help="Requests at a time, of serverless.")
    )
    requests_per_minute: int = option(
        30,
        Range(
            1,
            10_000,
            advanced=True,
            help="Of one computer; above it another one is started.",
        ),
    )
    backlog: int = option(
        5,
        Range(
            1,
            10_000,
            advanced=True,
            help="Images that may wait for one computer before another one is "
            "started, of async.",
        ),
    )
    idle_minutes: int = option(
        10,
        Range(
            1,
            1440,
            1,
            "min",
            advanced=True,
            help="Until async goes to sleep when idle.",
        ),
    )
    stop_after_hours: float = option(
        12.0,
        Range(
            0,
            8760,
            1,
            "h",
            help="The endpoint is to be gone by then; 0: it stays until it is stopped.",
        ),
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True, slots=True)
class TrainJobOptions:
    """What a training job runs on. See each field's `Range`."""

    instance_type: str = option(
        "ml.g5.xlarge", Range(help="Computer to train on.", pattern=INSTANCE)
    )
    hosts: int = option(1, Range(1, 20, help="Computers that train together."))
    volume_gb: int = option(
        50, Range(1, 16_384, 1, "GB", advanced=True, help="Disk of each computer.")
    )
    max_hours: float = option(
        6.0, Range(0.1, 120, 1, "h", help="The job is stopped after so long.")
    )
    spot: bool = option(
        False,
        Range(
            help="Spare computers: much cheaper, may be taken away; the job then goes on "
            "from its checkpoint."
        ),
    )
    wait_hours: float = option(
        24.0,
        Range(
            0.1,
            240,
            1,
            "h",
            advanced=True,
            help="Until a spot job has to be done, waiting included.",
        ),
    )
    input_mode: str = option(
        FAST_FILE,
        Range(
            choices=(FAST_FILE, FILE),
            advanced=True,
            help="FastFile: images are fetched when they are read; File: all first.",
        ),
    )

    def __post_init__(self) -> None:
        check_options(self)
