"""A run of ``cellseg train`` leaves all that tells where its model comes from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from PIL import Image

from napari_cellseg.core.errors import SaveError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.io.datasets.base_sets import BaseSets
from napari_cellseg.io.datasets.dataset import Sample, pairs_in_folder
from napari_cellseg.io.models.folder import read_model_spec
from napari_cellseg.nn.device import choose_device, device_title
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.training import base as base_training
from napari_cellseg.nn.training import loop as training
from napari_cellseg.nn.training.base import BaseRun, train_base

OPTIONS = TrainOptions(
    steps=4,
    batch_size=2,
    crop_px=64,
    synthetic_images=1,
    validate_every=2,
    checkpoint_every=2,
    warmup_steps=1,
)


#: No file of this name can be on Windows, and it has to be escaped in a picture.
KIND = "scenes: H&E"


def small() -> CellNet:
    return CellNet((4, 8))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseRun:
    for name, seed in (("a", 3), ("b", 13), ("c", 25)):
        scene = random_scene(seed, (96, 96))
        for part, data in (
            ("images", scene.image.plane()[0]),
            ("masks", scene.labels.astype(np.uint16)),
        ):
            (tmp_path / "set" / part).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(tmp_path / "set" / part / f"{name}.tif", data)

    def sets(folder: Path) -> BaseSets:
        samples: list[Sample] = pairs_in_folder(folder, KIND)
        return BaseSets(tuple(samples[:2]), tuple(samples[2:]))

    monkeypatch.setattr(base_training, "base_sets", sets)
    monkeypatch.setattr(training, "CellNet", small)
    monkeypatch.setattr(training, "CURVE_EVERY", 1)
    return BaseRun(tmp_path / "set", tmp_path / "run", "cellseg train", "cpu")


def write_ome_zarr(path: Path, plane: NDArray[np.generic]) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=plane)
    axes = [{"name": name, "type": "space"} for name in "yx"]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    ]


def validated(place: BaseRun) -> list[str]:
    with (place.out / "validation.csv").open() as file:
        return [row["step"] for row in csv.DictReader(file)]


def test_a_run_leaves_model_report_curve_and_examples(place: BaseRun) -> None:
    result = run(train_base(place, OPTIONS))
    report = json.loads((place.out / "report.json").read_text())
    spec = read_model_spec(place.out / "model")
    assert report["weights_sha256"] == spec.weights_sha256
    assert report["options"]["seed"] == OPTIONS.seed
    assert report["training_images"] == {KIND: 2}
    assert report["validation_images"] == {KIND: ["c"]}
    assert report["training_set_sha256"] != report["validation_set_sha256"]
    assert report["seconds"] > 0
    assert report["device"] == device_title(choose_device(place.device))
    assert spec.figures == result.figures == report["figures"]
    assert validated(place) == ["2", "4"]
    assert "scenes: H&amp;E/ap50" in (place.out / "curve.svg").read_text()
    with Image.open(place.out / "examples" / "scenes_H_E.png") as picture:
        assert picture.width > 2 * picture.height


def test_a_killed_run_goes_on_and_says_everything_once(place: BaseRun) -> None:
    job = train_base(place, OPTIONS)
    for progress in job:
        if progress.total == OPTIONS.steps and progress.done == 3:
            break
    job.close()
    result = run(train_base(place, OPTIONS))
    assert result.steps == OPTIONS.steps
    assert validated(place) == ["2", "4"]
    rows = (place.out / "curve.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3", "4"]


def test_a_run_that_is_done_is_only_measured_again(place: BaseRun) -> None:
    first = run(train_base(place, OPTIONS))
    again = run(train_base(place, OPTIONS))
    assert again.figures == first.figures
    assert validated(place) == ["2", "4"]


def test_a_disk_that_fills_leaves_the_checkpoint_before(
    place: BaseRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = train_base(place, OPTIONS)
    for progress in job:
        if progress.total == OPTIONS.steps and progress.done == 2:
            break
    before = (place.out / "checkpoint.pt").read_bytes()

    def full(*_: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr("torch.save", full)
    with pytest.raises(SaveError, match="disk is probably full"):
        run(job)
    assert (place.out / "checkpoint.pt").read_bytes() == before
    assert not (place.out / "model").exists()


def test_a_run_on_an_image_that_is_a_folder_ends_with_a_report(place: BaseRun) -> None:
    image = place.data / "images" / "a.tif"
    pixels = tifffile.imread(image)
    image.unlink()

    def report(change: int) -> dict[str, str]:
        write_ome_zarr(place.data / "images" / "a.zarr", pixels + change)
        run(train_base(place, OPTIONS))
        found: dict[str, str] = json.loads((place.out / "report.json").read_text())
        return found

    assert report(0)["training_set_sha256"] != report(1)["training_set_sha256"]
