"""``cellseg train`` as SageMaker starts it: a real process on a folder like /opt/ml."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_cellseg.cli.container_training import (
    team_command,
    team_environment,
    train_in_container,
)
from napari_cellseg.cloud.sagemaker.metrics import (
    curve_from_lines,
    metric_definitions,
    metric_line,
    n_steps_from_lines,
)
from napari_cellseg.cloud.sagemaker.package import pack_model, unpack_model
from napari_cellseg.core.errors import CellsegError, OptionsError, TrainingError
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.io.models.folder import find_model, read_model_spec
from napari_cellseg.nn.weights import load_model
from napari_cellseg.serving.training_job import Hosts, read_job, start_model

CHILD = Path(__file__).with_name("training_child.py")
QUICK = {"steps": "4", "batch_size": "2", "crop_px": "64", "name": "from-the-cloud"}


def lay_out(root: Path, hyperparameters: dict[str, str], **channels: str) -> Path:
    """Make the folder that SageMaker would make, with two small images to learn from."""
    config = root / "input" / "config"
    config.mkdir(parents=True)
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    modes = channels or {"train": "FastFile"}
    (config / "inputdataconfig.json").write_text(
        json.dumps({name: {"TrainingInputMode": mode} for name, mode in modes.items()})
    )
    (config / "resourceconfig.json").write_text(
        json.dumps(
            {
                "current_host": "algo-1",
                "hosts": ["algo-1"],
                "network_interface_name": "eth0",
                "current_instance_type": "ml.g4dn.xlarge",
            }
        )
    )
    data = root / "input" / "data" / "train"
    for folder in ("images", "masks"):
        (data / folder).mkdir(parents=True)
    for seed in (13, 25):
        scene = random_scene(seed, (160, 160))
        tifffile.imwrite(data / "images" / f"s{seed}.tif", scene.image.plane()[0])
        tifffile.imwrite(
            data / "masks" / f"s{seed}.tif", scene.labels.astype(np.uint16)
        )
    return root


def started(root: Path) -> subprocess.Popen[str]:
    source = Path(__file__).parents[2] / "src"
    return subprocess.Popen(
        [sys.executable, str(CHILD), "train"],
        env={
            **os.environ,
            "CELLSEG_CONTAINER": "1",
            "CELLSEG_OPT_ML": str(root),
            "PYTHONPATH": str(source),
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(root: Path) -> tuple[int, str, str]:
    with started(root) as process:
        out, err = process.communicate(timeout=900)
    return process.returncode, out, err


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = lay_out(tmp_path_factory.mktemp("opt"), QUICK)
    code, out, err = finished(root)
    assert code == 0, err
    return root, out


@pytest.mark.timeout(1000)
def test_a_job_leaves_a_model_that_can_be_served(done: tuple[Path, str]) -> None:
    root, _ = done
    network, spec = load_model(root / "model")
    assert spec.name == "from-the-cloud"
    assert spec.parent_sha256 == read_model_spec(find_model(None)).weights_sha256
    assert sorted(path.name for path in (root / "model").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]
    assert not (root / "output" / "failure").exists()
    assert network is not None


def test_every_metric_is_found_in_what_the_job_really_prints(
    done: tuple[Path, str],
) -> None:
    _, out = done
    for definition in metric_definitions():
        values = re.findall(definition["Regex"], out)
        assert values, definition
        assert all(isinstance(float(value), float) for value in values)


def test_the_printed_curve_is_the_one_on_disk(done: tuple[Path, str]) -> None:
    root, out = done
    with (root / "output" / "data" / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    points = curve_from_lines(out.splitlines())
    assert [point.step for point in points] == [int(row["step"]) for row in rows]
    assert n_steps_from_lines(out.splitlines()) == points[-1].step
    for point, row in zip(points, rows, strict=True):
        assert point.loss == pytest.approx(float(row["loss"]), abs=1e-4)


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_a_job_that_is_told_to_stop_goes_on_in_the_next(tmp_path: Path) -> None:
    root = lay_out(tmp_path, {**QUICK, "steps": "400"})
    with started(root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step="):
                break
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        rest, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert time.monotonic() - begun < 120
    assert "asked to stop" in rest
    assert (root / "model" / "weights.safetensors").is_file()
    n_before = len(curve_from_lines([line, *rest.splitlines()]))
    assert n_before >= 1

    again = started(root)
    with again as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step="):
                break
        process.kill()
        process.communicate()
    step = curve_from_lines([line])[0].step
    assert step > 2  # the first line of a job that begins anew is step 2 of 400


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_a_killed_job_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    root = lay_out(tmp_path, {**QUICK, "steps": "80"})
    with started(root) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step=12 "):
                break
        process.kill()
        process.communicate()
    assert (root / "checkpoints" / "checkpoint.pt").is_file()

    code, out, err = finished(root)

    assert code == 0, err
    points = curve_from_lines(out.splitlines())
    assert 10 <= points[0].step <= 40
    assert points[-1].step == 80


def test_checkpoints_of_another_training_are_not_gone_on_with(
    done: tuple[Path, str], tmp_path: Path
) -> None:
    root = lay_out(tmp_path, {**QUICK, "seed": "7"})
    (done[0] / "checkpoints").rename(root / "checkpoints")
    code, _, err = finished(root)
    (root / "checkpoints").rename(done[0] / "checkpoints")
    assert code == 1
    assert "Traceback" not in err
    assert "another training" in (root / "output" / "failure").read_text()
    assert "another training" in err


@pytest.mark.parametrize(
    ("hyperparameters", "channels", "words"),
    [
        ({"stepz": "4"}, {}, "Unknown hyperparameters: stepz"),
        ({"steps": "many"}, {}, "steps is 'many'"),
        ({}, {"train": "Pipe"}, "is a pipe"),
        ({}, {"validation": "File"}, "nothing is done with"),
        ({"model": "no-such"}, {}, "There is no model 'no-such'"),
    ],
    ids=["unknown", "no number", "pipe", "channel", "model"],
)
def test_what_cannot_be_trained_is_one_sentence_in_the_failure_file(
    tmp_path: Path, hyperparameters: Any, channels: Any, words: str
) -> None:
    root = lay_out(tmp_path, hyperparameters, **channels)
    with pytest.raises(CellsegError):
        train_in_container(root)
    failure = (root / "output" / "failure").read_text()
    assert words in failure
    assert len(failure) <= 1024


@pytest.mark.timeout(1000)
def test_the_image_starts_the_training_that_the_platform_asks_for(
    tmp_path: Path,
) -> None:
    """As ``docker run IMAGE train``: entry point and environment of the Dockerfile."""
    root = lay_out(tmp_path, {"stepz": "4"})
    text = Path(__file__).parents[2].joinpath("Dockerfile").read_text()
    text = text.replace("\\\n", " ")
    entry = json.loads(re.search(r"^ENTRYPOINT (.+)$", text, re.M)[1])  # type: ignore[index]
    environment = dict(
        re.findall(r"(\w+)=(\S+)", re.search(r"^ENV (.+)$", text, re.M)[1])
    )  # type: ignore[index]
    done = subprocess.run(
        [*entry, "train"],
        env={
            **environment,
            "CELLSEG_OPT_ML": str(root),
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        },
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 1
    assert (root / "output" / "failure").read_text() in done.stderr
    assert "Traceback" not in done.stderr


def test_hyperparameters_arrive_as_text_or_as_json_in_text(tmp_path: Path) -> None:
    root = lay_out(
        tmp_path,
        {
            "preset": '"thorough"',
            "learning_rate": "0.001",
            "steps": "null",
            "title": "My cells",
            "sagemaker_program": '"x.py"',
        },
    )
    job = read_job(root)
    assert job.options.preset == "thorough"
    assert job.options.plan[2] == 0.001
    assert job.options.steps is None
    assert job.title == "My cells"


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    root = lay_out(tmp_path, {})
    (root / "input" / "config" / "hyperparameters.json").write_text("{")
    with pytest.raises(TrainingError, match=r"hyperparameters\.json"):
        read_job(root)


def test_a_channel_number_below_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="channel is -1"):
        read_job(lay_out(tmp_path, {"channel": "-1"}))


def test_the_model_to_start_from_may_come_packed_in_a_channel(tmp_path: Path) -> None:
    root = lay_out(tmp_path, QUICK, train="File", model="File")
    channel = root / "input" / "data" / "model"
    channel.mkdir()
    pack_model(find_model(None), channel / "model.tar.gz")
    folder = root / "work"
    spec = unpack_model(Path(start_model(read_job(root))), folder)
    assert spec == read_model_spec(find_model(None))


def test_each_host_knows_its_place_and_where_the_first_one_is() -> None:
    hosts = Hosts(("algo-1", "algo-2"), "algo-2", "eth0")
    command = " ".join(team_command(hosts, 4))
    environment = team_environment(hosts, {"PATH": "/bin"})
    assert "--nnodes 2 --nproc-per-node 4 --node-rank 1" in command
    assert "--master-addr algo-1" in command
    assert environment["NCCL_SOCKET_IFNAME"] == "eth0"
    assert environment["PATH"] == "/bin"


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_two_hosts_train_one_model_together(tmp_path: Path) -> None:
    """Two containers on loopback, each with its own /opt/ml, joined by torchrun."""
    hosts = ["localhost", "127.0.0.1"]
    roots = [lay_out(tmp_path / str(place), QUICK) for place in range(2)]
    for root, host in zip(roots, hosts, strict=True):
        config = {
            "current_host": host,
            "hosts": hosts,
            "network_interface_name": "lo",
        }
        (root / "input" / "config" / "resourceconfig.json").write_text(
            json.dumps(config)
        )
    shutil.rmtree(roots[1] / "input" / "data")  # the first hands them over

    processes = [started(root) for root in roots]
    results = [process.communicate(timeout=900) for process in processes]

    for process, (_, err) in zip(processes, results, strict=True):
        assert process.returncode == 0, err
    assert (roots[0] / "model" / "weights.safetensors").is_file()
    assert not (roots[1] / "model").exists()
    assert curve_from_lines(results[0][0].splitlines())[-1].step == 4
    assert curve_from_lines(results[1][0].splitlines()) == []


def test_a_long_name_is_not_taken_for_a_short_one() -> None:
    line = metric_line({"step": 3, "loss": 1e-07, "final_held_out_msa": 0.5})
    values = {
        each["Name"]: re.findall(each["Regex"], line) for each in metric_definitions()
    }
    assert values["held_out:msa"] == []
    assert values["final:held_out_msa"] == ["0.5"]
    assert values["train:loss"] == ["1e-07"]


def test_the_patterns_are_short_enough_for_sagemaker() -> None:
    definitions = metric_definitions()
    assert len(definitions) <= 40
    assert max(len(each["Regex"]) for each in definitions) <= 500
