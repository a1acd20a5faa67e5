"""``cellseg cloud train | fetch | batch | logs``: jobs that run at AWS and end there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellseg.cli.cloud_flags import RESULT_TYPES, BatchFlags, TrainFlags
from napari_cellseg.cli.flags import takes_options
from napari_cellseg.cloud.account.place import now_utc, place_of, split_uri
from napari_cellseg.cloud.account.sending import sender_of
from napari_cellseg.core.cloud_options import (
    AccountOptions,
    DeployOptions,
    PlaceOptions,
    TrainJobOptions,
)
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.train_options import FineTuneOptions

if TYPE_CHECKING:
    from napari_cellseg.cloud.account.requests import Call
    from napari_cellseg.cloud.account.sending import Sender
    from napari_cellseg.cloud.sagemaker.logs import LogReader
    from napari_cellseg.cloud.sagemaker.train_plan import TrainPlan
    from napari_cellseg.core.jobs import Progress
    from napari_cellseg.core.training.item import TrainingItem

#: Seconds between two looks at a log.
LOG_POLL_SECONDS = 5.0


def show_requests(calls: Iterable[Call]) -> None:
    """Print requests as JSON; nothing is sent."""
    from napari_cellseg.cloud.account.requests import requests_text

    typer.echo(requests_text(calls))


@takes_options("account", AccountOptions)
@takes_options("place", PlaceOptions)
@takes_options("flags", TrainFlags)
@takes_options("machine", TrainJobOptions)
@takes_options("options", FineTuneOptions)
def train(
    data: Annotated[
        str,
        typer.Argument(
            help="s3://bucket/folder/ with images/ and masks/, a .manifest there, or a "
            "folder or project here, which is uploaded."
        ),
    ],
    *,
    account: AccountOptions,
    place: PlaceOptions,
    flags: TrainFlags,
    machine: TrainJobOptions,
    options: FineTuneOptions,
) -> None:
    """Improve a model at AWS; the new one lands among your models.

    Ctrl-C leaves the job running; `cellseg cloud logs NAME --follow` goes on with it,
    `cellseg cloud fetch NAME` gets its model, `cellseg cloud stop NAME` ends it.
    """
    from napari_cellseg.cloud.sagemaker.training import TrainWish, training_calls

    wish = TrainWish(data, flags.name, flags.model, flags.channel)
    plan = wish.plan(place_of(place), options, machine, now_utc())
    items = _items(data, flags.channel) if wish.is_here else []
    if flags.dry_run:
        show_requests(training_calls(plan, items, wish.start_model()))
        return
    name = _start(plan, sender_of(account), items, wish.start_model())
    if flags.wait:
        _follow(name, sender_of(account))
        _fetch(name, sender_of(account))


def _items(data: str, channel: int | None) -> Sequence[TrainingItem]:
    """Return what a folder here holds."""
    from napari_cellseg.core.training.item import supply_of
    from napari_cellseg.project.training.training_sources import training_items

    items = training_items(Path(data), channel)
    supply = supply_of(items)
    # What is printed by --dry-run is JSON from its first to its last sign.
    typer.echo(f"{supply.n_images} images, {supply.n_cells} checked cells", err=True)
    return items


def _start(
    plan: TrainPlan, sender: Sender, items: Sequence[TrainingItem], start: Path | None
) -> str:
    """Start the job, after saying what it may cost."""
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cloud.account.costs import dollars, hourly_text, read_prices
    from napari_cellseg.cloud.sagemaker.training import start_training

    prices, machine = read_prices(), plan.machine
    price = prices.hourly(machine.instance_type, machine.hosts)
    typer.echo(hourly_text(machine.instance_type, machine.hosts, prices))
    if price is not None:
        most = dollars(price * machine.max_hours)
        spot = ", less on spot" if machine.spot else ""
        typer.echo(f"At most {most} for {machine.max_hours:g} h{spot}. {prices.origin}")
    name = run_with_bar(start_training(plan, sender, items, start))
    typer.echo(f"The job is called {name}.")
    typer.echo(f"Ctrl-C leaves it running; to end it: cellseg cloud stop {name}")
    return name


def _follow(name: str, sender: Sender) -> None:
    """Print the curve of a job until it ends."""
    from napari_cellseg.cloud.sagemaker.training import follow_training
    from napari_cellseg.core.jobs import run

    done = run(follow_training(name, sender), _Lines())
    typer.echo(f"{done.status} after {done.billed_seconds} s that are charged for.")


class _Lines:
    """Prints what is new, each once."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, progress: Progress) -> None:
        from napari_cellseg.core.training.item import TrainProgress

        points = progress.points if isinstance(progress, TrainProgress) else ()
        for point in points:
            score = point.score
            told = "" if score is None else f", held-out mSA {score:.3f}"
            of_all = f"step {point.step} of {progress.total}"
            self._tell(f"{of_all}: loss {point.loss:.3f}{told}")
        if not points:
            self._tell(progress.message)

    def _tell(self, text: str) -> None:
        if text != self._last:
            typer.echo(text)
        self._last = text


@takes_options("account", AccountOptions)
def fetch(
    job: Annotated[str, typer.Argument(help="A training job that has ended.")],
    *,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for its curve, figures and pictures as well."),
    ] = None,
    account: AccountOptions,
) -> None:
    """Download the model of a training job into your models."""
    _fetch(job, sender_of(account))
    if report is None:
        return
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cloud.sagemaker.training import fetch_report

    for path in run_with_bar(fetch_report(job, sender_of(account), report)):
        typer.echo(path)


def _fetch(name: str, sender: Sender) -> None:
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cloud.sagemaker.training import compared_words, fetch_model

    model = run_with_bar(fetch_model(name, sender))
    typer.echo(f"'{model}' is among your models now: cellseg models show {model}")
    if words := compared_words(model):
        typer.echo(words)


@takes_options("account", AccountOptions)
@takes_options("place", PlaceOptions)
@takes_options("flags", BatchFlags)
def batch(
    images: Annotated[str, typer.Argument(help="s3://bucket/folder/ with images.")],
    results: Annotated[str, typer.Argument(help="s3://bucket/folder/ to write to.")],
    *,
    account: AccountOptions,
    place: PlaceOptions,
    flags: BatchFlags,
) -> None:
    """Segment every image of a folder in S3, once; nothing runs afterwards.

    For plates/A01.tif there will be plates/A01.tif.out.
    """
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cloud.sagemaker import batch as batching
    from napari_cellseg.cloud.sagemaker.deploy_plan import Deployment
    from napari_cellseg.cloud.sagemaker.train_plan import BatchPlan
    from napari_cellseg.io.models.folder import find_model, read_model_spec

    for uri in (images, results):
        split_uri(uri)
    folder = find_model(flags.model)
    title = read_model_spec(folder).name
    wanted = Deployment(flags.name, title, place_of(place), DeployOptions(), now_utc())
    plan = BatchPlan(
        wanted.part_name,
        wanted.part_name,
        images,
        results,
        RESULT_TYPES[flags.result],
        flags.image_type,
        flags.instance_type,
        flags.instances,
    )
    if flags.dry_run:
        show_requests(batching.batch_calls(wanted, plan))
        return
    typer.echo(f"The job is called {plan.job_name}.")
    done = run_with_bar(batching.run_batch(wanted, plan, folder, sender_of(account)))
    typer.echo(f"{done.status}; the results are in {done.results_uri}")


@takes_options("account", AccountOptions)
def logs(
    name: Annotated[str, typer.Argument(help="Endpoint, training job or batch job.")],
    *,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Stay and print what is new, until it has ended."
        ),
    ] = False,
    account: AccountOptions,
) -> None:
    """Print what the container of an endpoint or job has printed."""
    from napari_cellseg.cloud.sagemaker.logs import all_logs

    sender = sender_of(account)
    readers = all_logs(name, sender)
    if follow:
        _stay(name, sender, readers)
    elif not _print_new(readers):
        raise RemoteError(
            f"There is no log of '{name}' here (yet). A container writes its first line "
            "minutes after it was asked for; check the name with cellseg cloud status."
        )


def _print_new(readers: Iterable[LogReader]) -> int:
    """Print the lines that are new, and return how many they are."""
    lines = [line for reader in readers for line in reader.new_lines()]
    for line in lines:
        typer.echo(line)
    return len(lines)


def _stay(name: str, sender: Sender, readers: Sequence[LogReader]) -> None:
    """Print a log as it grows, until what writes it has ended; say how.

    Raises
    ------
    RemoteError
        If it failed.
    """
    from napari_cellseg.cloud.sagemaker.logs import EndWatch

    watch = EndWatch(name, sender)
    # Asked for before the lines: what was written by its end is read then.
    end = watch.end()
    if not _print_new(readers) and end is None:
        typer.echo(
            f"There is no log of '{name}' yet; waiting for it, Ctrl-C ends. Check the "
            "name with cellseg cloud status.",
            err=True,
        )
    while end is None:
        time.sleep(LOG_POLL_SECONDS)
        end = watch.end()
        _print_new(readers)
    # CloudWatch is some seconds behind.
    time.sleep(LOG_POLL_SECONDS)
    _print_new(readers)
    if end.is_failure:
        raise RemoteError(end.told)
    typer.echo(end.told, err=True)
