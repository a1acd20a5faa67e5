"""What is asked of AWS for the window: each job ends with what runs then."""

from __future__ import annotations

from collections.abc import Container, Iterable

from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.cloud.sagemaker.deploy import Deployed, deploy
from napari_cellseg.cloud.sagemaker.deploy_plan import NO_SCHEDULER, Deployment
from napari_cellseg.cloud.sagemaker.inventory import Running, running
from napari_cellseg.cloud.sagemaker.teardown import stop
from napari_cellseg.cloud.sagemaker.train_plan import TrainPlan
from napari_cellseg.cloud.sagemaker.training import (
    TrainWish,
    fetch_model,
    follow_training,
    start_training,
)
from napari_cellseg.core.finding import Finding
from napari_cellseg.core.jobs import Job, Progress
from napari_cellseg.core.training.curve import CurvePoint
from napari_cellseg.io.models.folder import find_model

#: What was done, in sentences, and what runs then.
Done = tuple[list[str], list[Running]]
#: The name of the new model, its curve, and what runs then.
Trained = tuple[str, tuple[CurvePoint, ...], list[Running]]


def listed(sender: Sender, also: Container[str]) -> Job[list[Running]]:
    """Return what runs; endpoints of the names in `also` whoever made them."""
    yield Progress(0, 0, "asking AWS what runs")
    return list(running(sender, also))


def deployed(
    deployment: Deployment, model: str, sender: Sender, also: Container[str]
) -> Job[Done]:
    """Make an endpoint, or give one its model."""
    done = yield from deploy(deployment, find_model(model), sender)
    there = yield from listed(sender, also)
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


def stopped(
    what: Iterable[tuple[str, Sender]], sender: Sender, also: Container[str]
) -> Job[Done]:
    """Delete endpoints or stop jobs, one after the other, each where it runs."""
    done: list[str] = []
    for name, its_sender in what:
        lines = yield from stop(name, its_sender)
        done += [f"Done: {line}" for line in lines]
    there = yield from listed(sender, also)
    return done, there


def trained(
    plan: TrainPlan, wish: TrainWish, sender: Sender, also: Container[str]
) -> Job[Trained]:
    """Train, follow, fetch."""
    from napari_cellseg.project.training.training_sources import training_items

    items = []
    if wish.is_here:
        yield Progress(0, 0, "reading what is checked")
        items = training_items(wish.data, wish.channel)
    name = yield from start_training(plan, sender, items, wish.start_model())
    job = yield from follow_training(name, sender)
    model = yield from fetch_model(name, sender)
    there = yield from listed(sender, also)
    return model, job.curve, there


def checked(findings: Iterable[Finding]) -> Job[list[Finding]]:
    """Look at one thing after another."""
    found: list[Finding] = []
    yield Progress(0, 0, "asking AWS who you are")
    for finding in findings:
        found.append(finding)
        yield Progress(len(found), 0, f"looked at {finding.subject}")
    return found
