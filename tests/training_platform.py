"""SageMaker's part of a training job, on this computer, while somebody waits for it.

moto says "Completed" of each job at once and runs nothing. Here a job begins as
"InProgress"; its channels are laid out from S3, our own `cellseg train` runs on them as a
process, each line that it prints goes to CloudWatch at once, and what it leaves goes to S3
before the job is said to have ended.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def training_platform(
    sender: Sender, root: Path, **hyperparameters: str
) -> Iterator[list[str]]:
    """Run each job that is created meanwhile, and give the names of those that ran.

    Parameters
    ----------
    sender : Sender
        Of a stand-in that runs in this process.
    root : Path
        Where the folders ``/opt/ml`` of the jobs are made.
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
            _run(job, sender, root / job.training_job_name, hyperparameters)

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


def _run(job: Any, sender: Sender, root: Path, given: dict[str, str]) -> None:
    """Do what SageMaker does with a job."""
    try:
        _lay_out(job, sender, root, given)
        _note(job, "InProgress", "Training")
        code = _train(job.training_job_name, sender, root)
        if code:
            failure = root / "output" / "failure"
            told = failure.read_text() if failure.exists() else f"exit code {code}"
            _note(job, "Failed", "Failed", f"AlgorithmError: {told}")
            return
        _note(job, "InProgress", "Uploading")
        _upload(job, sender, root)
    except BaseException as error:
        _note(job, "Failed", "Failed", f"The stand-in failed: {error!r}")
        raise
    _note(job, "Completed", "Completed")


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
        bucket, prefix = split_uri(channel["DataSource"]["S3DataSource"]["S3Uri"])
        for key in keys_in(sender, bucket):
            if key.startswith(prefix):
                path = root / "input" / "data" / name / key.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                sender.client("s3").download_file(bucket, key, str(path))
    (config / "inputdataconfig.json").write_text(json.dumps(channels))


def _train(name: str, sender: Sender, root: Path) -> int:
    """Run the container's program, and hand on each line as it comes."""
    variables = {
        **os.environ,
        "CELLSEG_CONTAINER": "1",
        "CELLSEG_OPT_ML": str(root),
        "PYTHONPATH": str(SOURCE),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(CHILD), "train"]
    logs, stream = sender.client("logs"), f"{name}/algo-1-1732180000"
    with subprocess.Popen(
        command,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        logs.create_log_group(logGroupName=LOG_GROUP)
        logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
        for line in process.stdout or ():
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
