"""Bare ``cellseg train`` in a SageMaker container: everything comes from files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from napari_cellseg.cloud.sagemaker.metrics import (
    HELD_OUT,
    LOSS,
    N_STEPS,
    STEP,
    metric_line,
)
from napari_cellseg.cloud.sagemaker.package import REPORT_SUFFIXES, unpack_model
from napari_cellseg.core.errors import TrainingError
from napari_cellseg.core.jobs import Progress, run
from napari_cellseg.core.training.item import (
    TrainingItem,
    TrainingOutcome,
    TrainProgress,
    supply_of,
)
from napari_cellseg.io.datasets.dataset import has_pairs
from napari_cellseg.io.models.folder import SPEC_NAME, WEIGHTS_NAME, find_model
from napari_cellseg.io.models.training_files import (
    ITEMS_FOLDER,
    REQUEST_NAME,
    STOP_NAME,
    TrainingRequest,
    read_items,
    write_request,
)
from napari_cellseg.nn.device import n_devices
from napari_cellseg.nn.fine_tuning.fine_tune import fine_tune
from napari_cellseg.nn.training.curve import write_curve
from napari_cellseg.nn.training.team import joined_team
from napari_cellseg.project.store import SUFFIX
from napari_cellseg.project.training.training_sources import training_items
from napari_cellseg.serving.training_job import (
    FailureNote,
    Hosts,
    TrainingJob,
    read_job,
    start_model,
)

#: torchrun sets it in the processes that it starts.
TEAM_VARIABLE = "WORLD_SIZE"
#: As SageMaker's own launchers have it.
MASTER_PORT = 7777
RUN_FOLDER = "run"
#: So many lines of a curve are printed, whatever the number of steps.
N_LINES = 200
#: What a stopped job leaves for the next; the rest is read anew.
KEPT_NAMES = ("checkpoint.pt", "curve.csv", "validation.csv", "sides.json")


def train_in_container(root: Path) -> None:
    """Train what the files under `root` ask for, with every GPU of every host.

    A sentence on what went wrong goes to ``output/failure``, the model to ``model``,
    curve and pictures to ``output/data``. After SIGTERM the checkpoint is saved at once,
    then the best model so far.

    Raises
    ------
    CellsegError
        If it cannot train.
    """
    with FailureNote(root):
        job = read_job(root)
        if TEAM_VARIABLE in os.environ:  # one process of many; the first has prepared
            _train(job)
            return
        folder = job.work / RUN_FOLDER
        with _stopping_on_sigterm(folder) as was_told:
            if job.hosts.rank == 0:  # the leader hands the images to the others
                _prepare(job, folder)
            if was_told.is_set():
                raise TrainingError("The platform asked to stop before training began.")
            per_host = n_devices(job.device)
            if per_host * len(job.hosts.names) == 1:
                _train(job)
            else:
                _start_team(job, per_host)


# --------------------------------------------------------------------- several processes
def team_command(hosts: Hosts, per_host: int) -> list[str]:
    """Return the command that starts the processes of this host."""
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nnodes", str(len(hosts.names)), "--nproc-per-node", str(per_host)),
        *("--node-rank", str(hosts.rank), "--max-restarts", "0"),
        *("--master-addr", hosts.names[0], "--master-port", str(MASTER_PORT)),
        *("-m", "napari_cellseg.cli", "train"),
    ]


def team_environment(hosts: Hosts, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the processes of this host."""
    result = dict(environment)
    if hosts.interface:
        result["NCCL_SOCKET_IFNAME"] = hosts.interface
        result["GLOO_SOCKET_IFNAME"] = hosts.interface
    return result


def _start_team(job: TrainingJob, per_host: int) -> None:
    """Run the processes of this host to their end."""
    done = subprocess.run(
        team_command(job.hosts, per_host),
        env=team_environment(job.hosts, os.environ),
        check=False,
    )
    if done.returncode:
        raise TrainingError(
            f"A training process on {job.hosts.current} ended with code "
            f"{done.returncode}; the log says why. Start the job again: it goes on from "
            "its checkpoint."
        )


# --------------------------------------------------------------------------- one process
def _train(job: TrainingJob) -> None:
    """Train in this process."""
    folder = job.work / RUN_FOLDER
    with joined_team(job.device) as team:
        outcome = run(fine_tune(folder, team), _print_curve if team.is_leader else None)
        if not team.is_leader:
            return
    _hand_over(job, folder, outcome)
    typer.echo(metric_line(_final(outcome)))
    told = "The platform asked to stop. " if outcome.was_stopped else ""
    typer.echo(f"{told}{outcome.reason}")


def _prepare(job: TrainingJob, folder: Path) -> None:
    """Write what the training reads; what must outlive this container is linked out."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    given = start_model(job)
    if isinstance(given, Path) and not given.is_dir():
        unpack_model(given, folder / "start")
        given = folder / "start"
    request = TrainingRequest(
        str(find_model(given)), job.device, job.options, job.name, job.title
    )
    items = _items(job)
    supply = supply_of(items)
    typer.echo(f"{supply.n_images} images, {supply.n_cells} cells to learn from")
    write_request(folder, request, items)
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    _check_same(job.checkpoints / REQUEST_NAME, folder / REQUEST_NAME)
    for name in KEPT_NAMES:
        (folder / name).symlink_to(job.checkpoints / name)


def _check_same(old: Path, new: Path) -> None:
    """Refuse to go on from the checkpoint of another training."""
    if not old.exists():
        shutil.copyfile(new, old)
    elif old.read_bytes() != new.read_bytes():
        raise TrainingError(
            "The checkpoints are those of another training (other images, labels, model "
            "or options). Give the job another checkpoint folder, or empty this one."
        )


def _items(job: TrainingJob) -> list[TrainingItem]:
    """Return what is to be learned from, of all channels."""
    found = [item for folder in job.data for item in _items_in(folder, job.channel)]
    if not found:
        names = ", ".join(folder.name for folder in job.data)
        raise TrainingError(
            f"There is nothing to learn from in the channels {names}; each needs "
            f"images/ with masks/, projects NAME{SUFFIX}, or {ITEMS_FOLDER}/*.npz."
        )
    return found


def _items_in(folder: Path, channel: int | None) -> list[TrainingItem]:
    """Return what a channel holds: pairs, projects, or what the dock has sent."""
    items = []
    if has_pairs(folder):
        items += training_items(folder, channel)
    for project in sorted(folder.glob(f"*{SUFFIX}")):
        items += training_items(project, channel)
    if (folder / ITEMS_FOLDER).is_dir():
        items += read_items(folder / ITEMS_FOLDER)
    return items


@contextmanager
def _stopping_on_sigterm(folder: Path) -> Iterator[threading.Event]:
    """Let SIGTERM end the training early: checkpoint first, then the best model."""
    told = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        told.set()
        if folder.is_dir():
            (folder / STOP_NAME).touch()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield told
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_curve(progress: Progress) -> None:
    """Print the curve as lines that the platform turns into metrics."""
    points = progress.points if isinstance(progress, TrainProgress) else ()
    if not points:
        typer.echo(progress.message)
    every = max(1, progress.total // N_LINES)
    for point in points:
        if point.score is None and point.step % every:
            continue
        values: dict[str, float] = {
            STEP: point.step,
            N_STEPS: progress.total,
            LOSS: point.loss,
        }
        if point.score is not None:
            values[HELD_OUT] = point.score
        typer.echo(metric_line(values))


def _final(outcome: TrainingOutcome) -> dict[str, float]:
    return {
        "final_held_out_ap50": outcome.held_out.ap50_new,
        "final_held_out_msa": outcome.held_out.msa_new,
        "final_held_out_count_error": outcome.held_out.count_error_new,
        "final_base_msa": outcome.base.msa_new,
        "final_is_recommended": float(outcome.is_recommended),
    }


def _hand_over(job: TrainingJob, folder: Path, outcome: TrainingOutcome) -> None:
    """Put model and reports where the platform takes them from."""
    job.model_out.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS_NAME, SPEC_NAME):
        shutil.copyfile(outcome.folder / name, job.model_out / name)
    job.reports.mkdir(parents=True, exist_ok=True)
    write_curve(folder)
    for path in folder.iterdir():
        is_report = path.suffix in REPORT_SUFFIXES and path.name != REQUEST_NAME
        if is_report and path.is_file():
            shutil.copyfile(path, job.reports / path.name)
