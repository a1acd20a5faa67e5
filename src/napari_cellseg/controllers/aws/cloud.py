"""What of ours runs at AWS: listed with its cost, deployed, stopped, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from psygnal import Signal

from napari_cellseg.cloud.account.costs import (
    Prices,
    dollars,
    hourly_text,
    read_prices,
    total_text,
)
from napari_cellseg.cloud.account.place import filled, now_utc, place_of
from napari_cellseg.cloud.account.requests import requests_text
from napari_cellseg.cloud.account.sending import Sender, sender_of
from napari_cellseg.cloud.sagemaker.checkup import check_up
from napari_cellseg.cloud.sagemaker.deploy import dry_run
from napari_cellseg.cloud.sagemaker.deploy_plan import Deployment
from napari_cellseg.cloud.sagemaker.inventory import Running
from napari_cellseg.cloud.sagemaker.training import TrainWish, compared_words
from napari_cellseg.controllers.aws.cloud_jobs import (
    Done,
    Trained,
    checked,
    deployed,
    listed,
    stopped,
    trained,
)
from napari_cellseg.controllers.aws.cloud_log import LogController
from napari_cellseg.controllers.aws.cloud_used import UsedEndpoints, used
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
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.curve import CurvePoint, add_point
from napari_cellseg.core.training.item import TrainProgress
from napari_cellseg.io.models.folder import find_model, list_models, read_model_spec
from napari_cellseg.io.used_endpoints import UsedEndpoint

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


@dataclass(frozen=True, slots=True)
class Preview:
    """What deploying would come to.

    Attributes
    ----------
    title, price : str
        What it is and what it costs, in words.
    steps : tuple of str
        What would be done, such as ``"make the endpoint 'cells'"``.
    requests : str
        Every request to AWS, as JSON.
    """

    title: str
    price: str
    steps: tuple[str, ...]
    requests: str


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
    curve : list of CurvePoint
        Of the training that was begun last.
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
        self.curve: list[CurvePoint] = []
        #: What was made or begun last, or "".
        self.last = ""
        self._tried: set[str] = set()
        #: What this window made, or segmented on, or found again.
        self.used = UsedEndpoints()
        task.changed.connect(self._on_task_changed)

    def models(self) -> list[str]:
        """Return the names of the models that can be deployed."""
        return [spec.name for _, spec in list_models()]

    # ------------------------------------------------------------------------- actions
    def list_running(self, account: AccountOptions) -> None:
        """Ask what runs; told by `changed`."""
        self._begin(account)
        self.look_again()

    def look_again(self) -> None:
        """Ask what runs in the same account, and leave standing what was said."""
        if not self.task.is_running:
            job = listed(self._open(self.account), self.used.names())
            self.task.start("Asking", job, self._on_listed)

    def preview(self, wish: DeployWish) -> Preview:
        """Return what deploying would make and cost; nothing is asked or sent.

        Raises
        ------
        CellsegError
            If something is missing, or AWS would refuse a request for its form.
        """
        is_new = all(each.name != wish.name for each in self.there or ())
        calls = dry_run(_deployment(wish), is_new=is_new)
        computer = "serverless"
        if wish.options.mode != SERVERLESS:
            computer = f"{wish.options.mode}, {wish.options.instance_type}"
        return Preview(
            f"'{wish.model}' as an endpoint ({computer}).",
            self.price(wish.options),
            tuple(dict.fromkeys(call.doing for call in calls)),
            requests_text(calls),
        )

    def deploy(self, account: AccountOptions, wish: DeployWish) -> None:
        """Make an endpoint; what was made goes again if it fails or is cancelled.

        Raises
        ------
        CellsegError
            If something is missing, before anything is asked.
        """
        deployment = _deployment(wish)
        self._begin(account)
        self.used.use(account, wish.name)
        self.last = wish.name
        job = deployed(deployment, wish.model, self._open(account), self.used.names())
        self.task.start(DEPLOYING, job, self._on_done)

    def note_used(self, account: AccountOptions, name: str) -> None:
        """Remember an endpoint that the window segments on, and ask what it costs."""
        self.used.use(account, name)
        if not self.task.is_running:  # it ends with what runs
            self.list_running(account)

    def stop(self, account: AccountOptions, name: str) -> None:
        """Delete an endpoint with all that hangs on it, or stop a job."""
        self._begin(account)
        self._stop([used(account, name)])

    def stop_left(self) -> None:
        """Delete what `left_words` names; one that is being made goes again."""
        if self.is_deploying:
            self.task.cancel()
            return
        self._begin(self.account)
        self._stop(self.used.running())

    def _stop(self, what: Iterable[UsedEndpoint]) -> None:
        url = self.account.endpoint_url
        pairs = [
            (one.name, self._open(AccountOptions(one.profile, one.region, url)))
            for one in what
        ]
        job = stopped(pairs, self._open(self.account), self.used.names())
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
        self._begin(account)
        self.last, self.curve = plan.job_name, []
        job = trained(plan, wish, self._open(account), self.used.names())
        self.task.start(TRAINING, job, self._on_trained)

    def check(
        self, account: AccountOptions, place: PlaceOptions, instance_type: str
    ) -> None:
        """Look what of an account is ready; nothing is changed."""
        self._begin(account)
        sender = self._open(account)
        found = check_up(filled(place), instance_type, sender, read_prices(), now_utc())
        self.task.start("Checking", checked(found), self._on_checked)

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
    def is_training(self) -> bool:
        """True while a training is followed."""
        return self.task.is_running and self.task.name == TRAINING

    @property
    def is_deploying(self) -> bool:
        """True while an endpoint is being made."""
        return self.task.is_running and self.task.name == DEPLOYING

    def left_words(self) -> list[str]:
        """Return a sentence on each thing that would go on, and cost, without a window."""
        if self.is_deploying:
            return [f"An endpoint is being made: {self.task.progress.message}."]
        return self.used.left_words()

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
        return f"{total_text(costs)}; {prices.title}."

    def origin(self) -> str:
        """Return where the prices come from."""
        return read_prices().origin

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
    def _begin(self, account: AccountOptions) -> None:
        if account != self.account:
            self.account, self.there = account, None
            self.used.take(account, None)
        self.lines = ()
        self.changed.emit()

    def _on_listed(self, there: list[Running]) -> None:
        self.there = tuple(there)
        self.used.take(self.account, self.there)
        self.changed.emit()

    def _on_done(self, told: Done) -> None:
        self.lines = tuple(told[0])
        self._on_listed(told[1])

    def _on_task_changed(self) -> None:
        """Draw the curve; look what is left of an endpoint that could not be made."""
        task, step = self.task, self.task.progress
        for point in step.points if isinstance(step, TrainProgress) else ():
            add_point(self.curve, point)
        if task.name == DEPLOYING and task.state in ("failed", "cancelled"):
            if task.failure is not None:
                self.lines = (f"✕ {task.failure.message}",)
            else:
                self.lines = ("Cancelled.",)
            self.look_again()
        self.changed.emit()

    def _on_trained(self, done: Trained) -> None:
        name, curve, there = done
        self.curve = list(curve)  # a step that came quickly after another is not told
        here = f"'{name}' is in the model menu of this computer now; New endpoint deploys it."
        told = (here, compared_words(name))
        self.lines = tuple(line for line in told if line)
        self._on_listed(there)
        self.model_arrived.emit(name)

    def _on_checked(self, findings: list[Finding]) -> None:
        lines: list[str] = []
        for finding in findings:
            lines.append(f"{MARKS[finding.state]} {finding.subject}: {finding.seen}")
            if finding.remedy and finding.state != "ok":
                lines.append(f"    → {finding.remedy}")
        self.lines = tuple(lines)
        self.changed.emit()


def _deployment(wish: DeployWish) -> Deployment:
    """Return what a wish comes to now; raises `CellsegError` if something is missing."""
    model = read_model_spec(find_model(wish.model)).name
    place = place_of(wish.place)
    return Deployment(wish.name, model, place, wish.options, now_utc())
