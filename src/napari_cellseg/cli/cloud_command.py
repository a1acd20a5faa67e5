"""``cellseg cloud deploy | status | stop | cost | doctor``, and the rest of them."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_cellseg.cli import cloud_jobs_command, pipeline_command
from napari_cellseg.cli.doctor_command import show_findings
from napari_cellseg.cli.flags import takes_options
from napari_cellseg.cloud.account.place import filled, now_utc, place_of
from napari_cellseg.cloud.account.sending import DrySender, sender_of
from napari_cellseg.core.cloud_options import (
    SERVERLESS,
    AccountOptions,
    DeployOptions,
    PlaceOptions,
)
from napari_cellseg.core.errors import OptionsError

app = typer.Typer(
    no_args_is_help=True,
    help="Run models and trainings at AWS, see what runs there, and stop it.",
)
app.command("train")(cloud_jobs_command.train)
app.command("fetch")(cloud_jobs_command.fetch)
app.command("batch")(cloud_jobs_command.batch)
app.command("logs")(cloud_jobs_command.logs)
app.add_typer(pipeline_command.app, name="pipeline")


@app.command("deploy")
@takes_options("account", AccountOptions)
@takes_options("place", PlaceOptions)
@takes_options("options", DeployOptions)
def deploy_model(
    model: Annotated[
        str | None, typer.Argument(help="Name or folder; empty: the one that ships.")
    ] = None,
    *,
    name: Annotated[str, typer.Option(help="Of the endpoint.")] = "cellseg",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print every request; send none.")
    ] = False,
    account: AccountOptions,
    place: PlaceOptions,
    options: DeployOptions,
) -> None:
    """Make an endpoint that runs a model, or give one the model while it answers.

    If a step fails, what was made is deleted again.
    """
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cloud.account.costs import hourly_text, read_prices
    from napari_cellseg.cloud.sagemaker import deploy as deploying
    from napari_cellseg.cloud.sagemaker.deploy_plan import NO_SCHEDULER, Deployment
    from napari_cellseg.io.models.folder import find_model, read_model_spec

    folder = find_model(model)
    wanted = Deployment(
        name, read_model_spec(folder).name, place_of(place), options, now_utc()
    )
    if dry_run:
        cloud_jobs_command.show_requests(deploying.dry_run(wanted))
        return
    if options.mode != SERVERLESS:
        prices = read_prices()
        typer.echo(f"{hourly_text(options.instance_type, 1, prices)} ({prices.origin})")
    done = run_with_bar(deploying.deploy(wanted, folder, sender_of(account)))
    typer.echo(f"The endpoint '{done.name}' answers ({options.mode}).")
    if done.stop_at is None:
        typer.echo(f"It stays until you stop it: cellseg cloud stop {done.name}")
    elif done.is_scheduled:
        typer.echo(f"AWS deletes it at {done.stop_at:%Y-%m-%d %H:%M} UTC.")
    else:
        typer.echo(
            f"It is to be gone by {done.stop_at:%Y-%m-%d %H:%M} UTC, but nothing at AWS "
            f"deletes it by itself: {NO_SCHEDULER}. Until then: cellseg cloud stop "
            f"{done.name}, or cellseg cloud stop --overdue now and then."
        )


@app.command()
@takes_options("account", AccountOptions)
def status(account: AccountOptions) -> None:
    """List what of ours runs, since when, and what it costs."""
    _show_running(account)


def _show_running(account: AccountOptions) -> None:
    from napari_cellseg.cloud.account.costs import read_prices, total_text
    from napari_cellseg.cloud.sagemaker.inventory import running

    prices, now = read_prices(), now_utc()
    there = list(running(sender_of(account)))
    for each in there:
        typer.echo(each.sentence(prices, now))
    if not there:
        typer.echo("Nothing of ours runs in this region.")
        return
    total = total_text([each.hourly(prices) for each in there])
    typer.echo(f"{total}. {prices.origin}")


@app.command()
@takes_options("account", AccountOptions)
def stop(
    name: Annotated[
        str | None, typer.Argument(help="Endpoint, training job or batch job.")
    ] = None,
    *,
    all_of_them: Annotated[
        bool, typer.Option("--all", help="Everything of ours in the region.")
    ] = False,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="What was to be gone by now.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the requests; nothing is deleted.")
    ] = False,
    account: AccountOptions,
) -> None:
    """Delete an endpoint with all that hangs on it, or stop a job."""
    from napari_cellseg.cli.progress import run_with_bar
    from napari_cellseg.cloud.sagemaker import teardown
    from napari_cellseg.cloud.sagemaker.inventory import running

    if (name is not None) + all_of_them + overdue != 1:
        raise OptionsError("Say what to stop: a NAME, --all or --overdue.")
    sender, now = sender_of(account), now_utc()
    dry = DrySender(sender)
    names = [name] if name else []
    if not name:
        names = [
            each.name for each in running(sender) if all_of_them or each.is_overdue(now)
        ]
    for each in names:
        told = run_with_bar(teardown.stop(each, dry if dry_run else sender))
        _tell(told, dry_run=dry_run)
    if all_of_them:
        told = run_with_bar(teardown.clear_leftovers(dry if dry_run else sender))
        _tell(told, dry_run=dry_run)
    if dry_run:
        cloud_jobs_command.show_requests(dry.kept)
    elif not names:
        typer.echo("There was nothing to stop.")


def _tell(lines: list[str], *, dry_run: bool) -> None:
    """Print what was done; beside requests, which are read by programs, apart."""
    for line in lines:
        typer.echo(f"{'would' if dry_run else 'done:'} {line}", err=dry_run)


@app.command()
@takes_options("account", AccountOptions)
def cost(
    *,
    edit: Annotated[
        bool, typer.Option("--edit", help="Make a price table of your own to edit.")
    ] = False,
    account: AccountOptions,
) -> None:
    """Say what runs costs now, and the prices that this is worked out from."""
    from napari_cellseg.cloud.account.costs import (
        hourly_text,
        make_own_prices,
        read_prices,
    )

    if edit:
        typer.echo(f"Edit '{make_own_prices()}'; it is used from now on.")
        return
    prices = read_prices()
    for instance_type in (*prices.per_hour, *prices.missing):
        typer.echo(f"{instance_type:20} {hourly_text(instance_type, 1, prices)}")
    _show_running(account)


@app.command()
@takes_options("account", AccountOptions)
@takes_options("place", PlaceOptions)
def doctor(
    *,
    instance_type: Annotated[
        str, typer.Option(help="Computer that is wanted.")
    ] = DeployOptions().instance_type,
    account: AccountOptions,
    place: PlaceOptions,
) -> None:
    """Check an account: sign-in, bucket, role, rights, image, quota, what runs.

    Nothing is changed. Exit code 1 if there is a problem.
    """
    from napari_cellseg.cloud.account.costs import read_prices
    from napari_cellseg.cloud.sagemaker.checkup import check_up

    findings = check_up(
        filled(place), instance_type, sender_of(account), read_prices(), now_utc()
    )
    show_findings(findings)
