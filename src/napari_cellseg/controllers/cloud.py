"""What of ours runs at AWS: listed with its cost, deployed, stopped, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from psygnal import Signal

from napari_cellseg.cloud.checkup import check_up
from napari_cellseg.cloud.costs import (
    Prices,
    dollars,
    hourly_text,
    read_prices,
    total_text,
)
from napari_cellseg.cloud.deploy import Deployed, deploy
from napari_cellseg.cloud.deploy_plan import NO_SCHEDULER, Deployment
from napari_cellseg.cloud.inventory import ENDPOINT, Running, running
from napari_cellseg.cloud.place import now_utc, place_of
from napari_cellseg.cloud.sending import Sender, sender_of
from napari_cellseg.cloud.teardown import stop
from napari_cellseg.cloud.train_plan import TrainPlan
from napari_cellseg.cloud.training import (
    TrainWish,
    compared_words,
    fetch_model,
    follow_training,
    start_training,
)
from napari_cellseg.controllers.cloud_log import LogController
from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.cloud_options import (
    SERVERLESS,
    AccountOptions,
    DeployOptions,
    PlaceOptions,
    TrainJobOptions,
)
from napari_cellseg.core.errors import CellsegError
from napari_cellseg.core.finding import Finding
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.options import FineTuneOptions
from napari_cellseg.io.model_folder import find_model, list_models, read_model_spec

#: Names of the tasks that train, and that make an endpoint.
TRAINING = "Training at AWS"
DEPLOYING = "Deploying"
#: Where AWS was told to delete an endpoint, it has so long to do it.
AWS_FIRST = timedelta(minutes=3)
MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}


@dataclass(frozen=True, slots=True)
class DeployWish:
    """What a person wants to be deployed.

    Attributes
    ----------
    model : str
        Name of the model.
    name : str
        Of the endpoint.
    options : DeployOptions
        How.
    place : PlaceOptions
        Image, role and bucket.
    """

    model: str
    name: str
    options: DeployOptions = field(default_factory=DeployOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)


class CloudController:
    """Lists, deploys, stops and checks; one of it at a time.

    Parameters
    ----------
    task : TaskController
        Runs it; says why something failed.
    open_sender : callable
        Gives what sends to an account.

    Attributes
    ----------
    there : tuple of Running
        What ran when it was last asked for; None before.
    lines : tuple of str
        What the last action came to.
    """

    changed = Signal()
    model_arrived = Signal(str)

    def __init__(
        self,
        task: TaskController,
        open_sender: Callable[[AccountOptions], Sender] = sender_of,
    ) -> None:
        self.task = task
        self._open = open_sender
        self.account = AccountOptions()
        self.there: tuple[Running, ...] | None = None
        self.lines: tuple[str, ...] = ()
        #: What was made or begun last, or "".
        self.last = ""
        self._tried: set[str] = set()
        #: Endpoints that this window made, or segmented on.
        self._used: set[str] = set()
        task.changed.connect(self.changed.emit)

    def models(self) -> list[str]:
        """Return the names of the models that can be deployed."""
        return [spec.name for _, spec in list_models()]

    # ------------------------------------------------------------------------- actions
    def list_running(self, account: AccountOptions) -> None:
        """Ask what runs; told by `changed`."""
        self.account = account
        self._begin()
        self.task.start("Asking", _listed(self._open(account)), self._on_listed)

    def deploy(self, account: AccountOptions, wish: DeployWish) -> None:
        """Make an endpoint; what was made goes again if it fails or is cancelled.

        Raises
        ------
        CellsegError
            If something is missing, before anything is asked.
        """
        deployment = Deployment(
            wish.name,
            read_model_spec(find_model(wish.model)).name,
            place_of(wish.place),
            wish.options,
            now_utc(),
        )
        self.account = account
        self._used.add(wish.name)
        self.last = wish.name
        self._begin()
        job = _deployed(deployment, wish.model, self._open(account))
        self.task.start(DEPLOYING, job, self._on_done)

    def note_used(self, account: AccountOptions, name: str) -> None:
        """Remember an endpoint that the window segments on, and ask what it costs."""
        self._used.add(name)
        if not self.task.is_running:
            self.list_running(account)

    def stop(self, account: AccountOptions, name: str) -> None:
        """Delete an endpoint with all that hangs on it, or stop a job."""
        self.account = account
        self._begin()
        self.task.start("Stopping", _stopped(name, self._open(account)), self._on_done)

    def stop_left(self) -> None:
        """Delete what `left_running` names; one that is being made goes again."""
        if self.is_deploying:
            self.task.cancel()
            return
        names = [each.name for each in self.left_running()]
        if self.there is None:
            names = sorted(self._used)
        self._begin()
        job = _all_stopped(names, self._open(self.account))
        self.task.start("Stopping", job, self._on_done)

    def stop_overdue(self) -> bool:
        """Delete one endpoint whose time is over, of those that were listed.

        Returns False where there is none, or something else is under way. Each is tried
        once: what AWS refuses stays in the list, and why is in the report.
        """
        if self.task.is_running:
            return False
        now = now_utc() - AWS_FIRST
        for each in self.there or ():
            if each.is_overdue(now) and each.name not in self._tried:
                self._tried.add(each.name)
                self.stop(self.account, each.name)
                return True
        return False

    def train(
        self,
        account: AccountOptions,
        wish: TrainWish,
        place: PlaceOptions,
        options: FineTuneOptions,
        machine: TrainJobOptions,
    ) -> None:
        """Train a model there, and fetch it; cancelling leaves the job running.

        Raises
        ------
        CellsegError
            If something is missing, before anything is asked.
        """
        plan = wish.plan(place_of(place), options, machine, now_utc())
        self.account, self.last = account, plan.job_name
        self._begin()
        job = _trained(plan, wish, self._open(account))
        self.task.start(TRAINING, job, self._on_trained)

    def check(
        self, account: AccountOptions, place: PlaceOptions, instance_type: str
    ) -> None:
        """Look what of an account is ready; nothing is changed."""
        ready = place_of(place)
        self.account = account
        self._begin()
        sender = self._open(account)
        found = check_up(ready, instance_type, sender, read_prices(), now_utc())
        self.task.start("Checking", _checked(found), self._on_checked)

    def prices_changed(self) -> None:
        """Say again what everything costs, by the prices that count now."""
        self.changed.emit()

    def new_log(self, task: TaskController) -> LogController:
        """Return what reads logs of the same accounts, by a task of its own."""
        return LogController(task, self._open)

    def say(self, error: CellsegError) -> None:
        """Tell of something that is missing."""
        self.lines = (str(error),)
        self.changed.emit()

    # --------------------------------------------------------------------------- words
    @property
    def is_deploying(self) -> bool:
        """True while an endpoint is being made."""
        return self.task.is_running and self.task.name == DEPLOYING

    def left_running(self) -> list[Running]:
        """Return the endpoints that this window made or used, and that cost money now."""
        prices = read_prices()
        return [
            each
            for each in self.there or ()
            if each.kind == ENDPOINT
            and each.name in self._used
            and each.hourly(prices) != 0
        ]

    def left_words(self) -> list[str]:
        """Return a sentence on each thing that would go on, and cost, without a window."""
        if self.is_deploying:
            return [f"An endpoint is being made: {self.task.progress.message}."]
        prices, now = read_prices(), now_utc()
        words = [each.sentence(prices, now) for each in self.left_running()]
        if self.there is None:
            words += [
                f"endpoint {name}: what it costs may not be seen from here"
                for name in sorted(self._used)
            ]
        return words

    def sentences(self) -> list[str]:
        """Return what runs since when, at which cost."""
        prices, now = read_prices(), now_utc()
        return [each.sentence(prices, now) for each in self.there or ()]

    def total(self) -> str:
        """Return what everything costs together."""
        if self.there is None:
            return "Not asked yet; press Show what runs."
        if not self.there:
            return "Nothing of ours runs in this region."
        prices: Prices = read_prices()
        costs = [each.hourly(prices) for each in self.there]
        return f"{total_text(costs)}; {prices.origin}."

    def train_price(self, machine: TrainJobOptions) -> str:
        """Return what a training may cost at the most."""
        prices = read_prices()
        price = prices.hourly(machine.instance_type, machine.hosts)
        words = hourly_text(machine.instance_type, machine.hosts, prices)
        if price is not None:
            spot = ", less on spot" if machine.spot else ""
            words = f"at most {dollars(price * machine.max_hours)}{spot}"
        return f"{words[0].upper()}{words[1:]}."

    def price(self, options: DeployOptions) -> str:
        """Return what an endpoint would cost."""
        if options.mode == SERVERLESS:
            return "Costs only while it works."
        words = hourly_text(options.instance_type, 1, read_prices())
        if options.stop_after_hours:
            words += f"; to be gone after {options.stop_after_hours:g} h"
        return f"{words[0].upper()}{words[1:]}."

    # ------------------------------------------------------------------------- results
    def _begin(self) -> None:
        self.lines = ()
        self.changed.emit()

    def _on_listed(self, there: list[Running]) -> None:
        self.there = tuple(there)
        self.changed.emit()

    def _on_done(self, told: tuple[list[str], list[Running]]) -> None:
        lines, there = told
        self.lines, self.there = tuple(lines), tuple(there)
        self.changed.emit()

    def _on_trained(self, done: tuple[str, list[Running]]) -> None:
        name, there = done
        told = (f"'{name}' is in the model menu now.", compared_words(name))
        self.lines, self.there = tuple(line for line in told if line), tuple(there)
        self.changed.emit()
        self.model_arrived.emit(name)

    def _on_checked(self, findings: list[Finding]) -> None:
        lines: list[str] = []
        for finding in findings:
            lines.append(f"{MARKS[finding.state]} {finding.subject}: {finding.seen}")
            if finding.remedy and finding.state != "ok":
                lines.append(f"    → {finding.remedy}")
        self.lines = tuple(lines)
        self.changed.emit()


def _listed(sender: Sender) -> Job[list[Running]]:
    yield Progress(0, 0, "asking AWS what runs")
    return list(running(sender))


def _deployed(
    deployment: Deployment, model: str, sender: Sender
) -> Job[tuple[list[str], list[Running]]]:
    done = yield from deploy(deployment, find_model(model), sender)
    there = yield from _listed(sender)
    return [_deployed_words(done)], there


def _deployed_words(done: Deployed) -> str:
    answers = f"The endpoint '{done.name}' answers."
    if done.stop_at is None:
        return f"{answers} It costs money until you stop it here."
    end = f"{done.stop_at:%Y-%m-%d %H:%M} UTC"
    if done.is_scheduled:
        return f"{answers} AWS deletes it at {end}."
    return (
        f"{answers} It is to be gone by {end}, and is stopped then while this window is "
        f"open. AWS does not do it by itself: {NO_SCHEDULER}."
    )


def _stopped(name: str, sender: Sender) -> Job[tuple[list[str], list[Running]]]:
    done = yield from stop(name, sender)
    there = yield from _listed(sender)
    return [f"Done: {line}" for line in done], there


def _all_stopped(
    names: list[str], sender: Sender
) -> Job[tuple[list[str], list[Running]]]:
    """Delete several endpoints, one after the other."""
    done: list[str] = []
    for name in names:
        lines, _ = yield from _stopped(name, sender)
        done += lines
    there = yield from _listed(sender)
    return done, there


def _trained(
    plan: TrainPlan, wish: TrainWish, sender: Sender
) -> Job[tuple[str, list[Running]]]:
    """Train, follow, fetch."""
    from napari_cellseg.project.training_sources import training_items

    items = []
    if wish.is_here:
        yield Progress(0, 0, "reading what is checked")
        items = training_items(wish.data, wish.channel)
    name = yield from start_training(plan, sender, items, wish.start_model())
    yield from follow_training(name, sender)
    model = yield from fetch_model(name, sender)
    there = yield from _listed(sender)
    return model, there


def _checked(findings: Iterable[Finding]) -> Job[list[Finding]]:
    found: list[Finding] = []
    yield Progress(0, 0, "asking AWS who you are")
    for finding in findings:
        found.append(finding)
        yield Progress(len(found), 0, f"looked at {finding.subject}")
    return found
