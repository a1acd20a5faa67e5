"""SageMaker's part of a training job, on this computer, while somebody waits for it.

moto says "Completed" of each job at once and runs nothing. Here a job begins as
"InProgress"; its channels are laid out from S3, our own `cellseg train` runs on them as a
process, each line that it prints goes to CloudWatch at once, its checkpoint folder goes to
the prefix that the job names while it runs, and what it leaves goes to S3 before the job is
said to have ended. A spot instance can be taken away; the next one begins with an empty
disk and what stands under that prefix.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import tifffile

from aws_stand_in import keys_in
from napari_cellseg.cloud.account.place import split_uri
from napari_cellseg.cloud.account.sending import Sender
from napari_cellseg.core.synthetic import random_scene

CHILD = Path(__file__).parent / "serving" / "training_child.py"
SOURCE = Path(__file__).parents[1] / "src"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
#: A spot instance has this long after SIGTERM; SageMaker gives 120 s.
GRACE_SECONDS = 2.0
SYNC_SECONDS = 0.1


@contextmanager
def training_platform(
    sender: Sender, root: Path, taken_at: tuple[int, ...] = (), **hyperparameters: str
) -> Iterator[list[str]]:
    """Run each job that is created meanwhile, and give the names of those that ran.

    Parameters
    ----------
    sender : Sender
        Of a stand-in that runs in this process.
    root : Path
        Where the folders ``/opt/ml`` of the jobs are made.
    taken_at : tuple of int
        At each of these steps the instance is taken away, and a new one begins.
    hyperparameters : str
        Used instead of what was asked for, so that a test can wait for it.
    """
    models = pytest.importorskip("moto.sagemaker.models", reason="moto is missing")
    jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
    ran: list[str] = []
    begin = models.FakeTrainingJob.__init__

    def begun(job: Any, **given: Any) -> None:
        begin(job, **given)
        _note(job, "InProgress", "Starting")
        jobs.put(job)

    def work() -> None:
        while (job := jobs.get()) is not None:
            ran.append(job.training_job_name)
            folder = root / job.training_job_name
            _run(job, sender, folder, taken_at, hyperparameters)

    thread = threading.Thread(target=work, name="platform")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models.FakeTrainingJob, "__init__", begun)
        thread.start()
        try:
            yield ran
        finally:
            jobs.put(None)
            thread.join(600)


def _note(job: Any, status: str, secondary: str, reason: str | None = None) -> None:
    job.secondary_status = secondary
    if reason is not None:
        job.failure_reason = reason
    job.training_job_status = status


def _run(
    job: Any,
    sender: Sender,
    root: Path,
    taken_at: tuple[int, ...],
    given: dict[str, str],
) -> None:
    """Do what SageMaker does with a job."""
    try:
        for step in (*taken_at, 0):
            shutil.rmtree(root, ignore_errors=True)
            _lay_out(job, sender, root, given)
            _note(job, "InProgress", "Training")
            with _checkpoints(job, sender, root):
                code = _train(job.training_job_name, sender, root, step)
            _note(job, "InProgress", "Interrupted" if step else "Uploading")
        if code:
            failure = root / "output" / "failure"
            told = failure.read_text() if failure.exists() else f"exit code {code}"
            _note(job, "Failed", "Failed", f"AlgorithmError: {told}")
            return
        _upload(job, sender, root)
    except BaseException as error:
        _note(job, "Failed", "Failed", f"The stand-in failed: {error!r}")
        raise
    _note(job, "Completed", "Completed")


@contextmanager
def _checkpoints(job: Any, sender: Sender, root: Path) -> Iterator[None]:
    """Bring the checkpoints of the instance before; copy what changes to S3 meanwhile."""
    local = PurePosixPath(job.checkpoint_config["LocalPath"]).relative_to("/opt/ml")
    folder, uri = root / local, job.checkpoint_config["S3Uri"]
    _bring(sender, uri, folder)
    is_over = threading.Event()
    seen: dict[Path, int] = {}

    def copy() -> None:
        while not is_over.wait(SYNC_SECONDS):
            for path in sorted(folder.glob("*")):
                # What is written under another name first may be gone by now.
                with suppress(FileNotFoundError):
                    changed = path.stat().st_mtime_ns
                    if seen.get(path) != changed:
                        sender.upload(path, f"{uri}/{path.name}")
                        seen[path] = changed

    thread = threading.Thread(target=copy, name="checkpoints")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _bring(sender: Sender, uri: str, folder: Path) -> None:
    """Copy all that stands under a prefix into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    bucket, prefix = split_uri(uri)
    for key in keys_in(sender, bucket):
        if key.startswith(prefix):
            path = folder / key.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            sender.client("s3").download_file(bucket, key, str(path))


def _lay_out(job: Any, sender: Sender, root: Path, given: dict[str, str]) -> None:
    config = root / "input" / "config"
    config.mkdir(parents=True)
    wanted = {**job.hyper_parameters, **given}
    (config / "hyperparameters.json").write_text(json.dumps(wanted))
    (config / "resourceconfig.json").write_text(
        json.dumps({"current_host": "algo-1", "hosts": ["algo-1"]})
    )
    channels = {}
    for channel in job.input_data_config:
        name = channel["ChannelName"]
        channels[name] = {"TrainingInputMode": channel["InputMode"]}
        uri = channel["DataSource"]["S3DataSource"]["S3Uri"]
        _bring(sender, uri, root / "input" / "data" / name)
    (config / "inputdataconfig.json").write_text(json.dumps(channels))


def _train(name: str, sender: Sender, root: Path, taken_at: int) -> int:
    """Run the container's program, and hand on each line as it comes.

    At the step `taken_at` it is told to stop, and killed soon; 0 lets it come to its end.
    """
    variables = {
        **os.environ,
        "CELLSEG_CONTAINER": "1",
        "CELLSEG_OPT_ML": str(root),
        "PYTHONPATH": str(SOURCE),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(CHILD), "train"]
    logs, stream = sender.client("logs"), f"{name}/algo-1-{time.time_ns()}"
    with subprocess.Popen(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=LOG_GROUP)
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        for line in process.stdout or ():
            if taken_at and line.startswith(f"step={taken_at} "):
                process.send_signal(signal.SIGTERM)
                threading.Timer(GRACE_SECONDS, process.kill).start()
            event = {"timestamp": round(1000 * time.time()), "message": line.rstrip()}
            if event["message"]:
                logs.put_log_events(
                    logGroupName=LOG_GROUP, logStreamName=stream, logEvents=[event]
                )
        return process.wait(600)


def _upload(job: Any, sender: Sender, root: Path) -> None:
    folder = job.model_artifacts["S3ModelArtifacts"].rpartition("/")[0]
    for name, left in (("model", "model"), ("output", "output/data")):
        archive = root / f"{name}.tar.gz"
        with tarfile.open(archive, "w:gz") as file:
            file.add(root / left, ".")
        sender.upload(archive, f"{folder}/{name}.tar.gz")


def folder_of_two(folder: Path) -> Path:
    """Return a folder with two labelled images."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed in (13, 25):
        scene = random_scene(seed, (160, 160))
        tifffile.imwrite(folder / "images" / f"s{seed}.tif", scene.image.plane()[0])
        labels = scene.labels.astype(np.uint16)
        tifffile.imwrite(folder / "masks" / f"s{seed}.tif", labels)
    return folder


def little(_seconds: float) -> None:
    """Wait a little, whatever was asked for."""
    time.sleep(0.2)
