"""Data sets from the command line, and what trains and evaluates on them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.io.datasets.made_layouts import image_of, labels_of, make_sartorius, save
from typer.testing import CliRunner

from napari_cellseg.cli.evaluating import evaluate_folders
from napari_cellseg.cli.main import app
from napari_cellseg.core.editing.checked import CheckedArea
from napari_cellseg.core.errors import ImageReadError, ProjectError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.io.datasets.base_sets import base_sets
from napari_cellseg.io.datasets.exporting import export_dataset
from napari_cellseg.io.datasets.manifest import read_manifest, write_manifest
from napari_cellseg.io.exchange.coco import CocoFile
from napari_cellseg.io.exchange.formats import format_named
from napari_cellseg.project.labels.new_labels import NewLabels
from napari_cellseg.project.store import create_project
from napari_cellseg.project.training.training_sources import training_items

RUNNER = CliRunner()


def cellseg(*arguments: object, code: int = 0) -> str:
    result = RUNNER.invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A data set of 12 images in 6 groups."""
    folder = tmp_path / "set"
    rows = ["name,group"]
    for index in range(12):
        labels = np.roll(labels_of(2 + index % 5), index, axis=1)
        save(folder / "images" / f"i{index}.png", image_of(labels, index))
        save(folder / "labels" / f"i{index}.png", labels.astype(np.uint16))
        rows.append(f"i{index},g{index // 2}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    cellseg("dataset", "import", folder, "-o", tmp_path / "data")
    return tmp_path / "data"


def test_a_set_is_imported_described_checked_split_and_exported(tmp_path: Path) -> None:
    folder, data = tmp_path / "set", tmp_path / "data"
    folder.mkdir()
    make_sartorius(folder)

    assert "2 images, 7 cells" in cellseg("dataset", "import", folder, "-o", data)
    described = cellseg("dataset", "info", data)
    assert "24 × 32 (2)" in described
    assert "shsy5y" in described
    assert "0 errors" in cellseg("dataset", "check", data)
    assert "groups:" in cellseg(
        "dataset", "split", data, "--by", "image", "--val", "0.5"
    )
    cellseg("dataset", "export", data, "--format", "coco", "-o", tmp_path / "out")
    assert len(CocoFile(tmp_path / "out" / "coco.json").images) == 2
    printed = cellseg(
        "dataset", "export", data, "--format", "seg", "--images", "-o", tmp_path / "seg"
    )
    assert "2 files" in printed
    assert len(list((tmp_path / "seg").iterdir())) == 4


def test_an_export_to_one_file_tells_how_far_it_is(
    dataset: Path, tmp_path: Path
) -> None:
    images = read_manifest(dataset).images
    path = tmp_path / "coco.json"
    job = export_dataset(dataset, images, format_named("coco"), tmp_path)
    told = [step.done for step in job if step.total and not path.exists()]
    assert told == list(range(len(images)))


@pytest.mark.parametrize(
    ("name", "images"), [("coco", False), ("tiff", False), ("seg", True)]
)
def test_an_export_replaces_nothing_unasked(
    dataset: Path, tmp_path: Path, name: str, images: bool
) -> None:
    out = tmp_path / "out"
    more = ["--images"] if images else []
    export = ["dataset", "export", dataset, "--format", name, "-o", out, *more]
    cellseg(*export)
    for path in out.iterdir():
        path.write_bytes(b"mine")

    refused = RUNNER.invoke(app, [str(one) for one in export])

    assert "Use --overwrite to replace" in str(refused.exception)
    assert {path.read_bytes() for path in out.iterdir()} == {b"mine"}
    cellseg(*export, "--overwrite")
    assert b"mine" not in {path.read_bytes() for path in out.iterdir()}


def test_a_split_is_not_replaced_unasked(dataset: Path) -> None:
    cellseg("dataset", "split", dataset, "--val", "0.3")
    first = json.loads((dataset / "dataset.json").read_text())

    result = RUNNER.invoke(app, ["dataset", "split", str(dataset), "--salt", "x"])

    assert "has a split already" in str(result.exception)
    assert json.loads((dataset / "dataset.json").read_text()) == first
    cellseg("dataset", "split", dataset, "--salt", "x", "--again")


def test_a_split_says_which_side_is_empty(dataset: Path) -> None:
    printed = cellseg("dataset", "split", dataset, "--val", "0.49", "--test", "0.5")
    assert "0 train" in printed
    assert "no image is in train" in printed


def test_a_data_set_is_not_imported_again(dataset: Path, tmp_path: Path) -> None:
    """As pairs it would lose its split, its groups and what of it is checked."""
    again = ["dataset", "import", str(dataset), "-o", str(tmp_path / "again")]
    for layout in ("auto", "pairs"):
        refused = RUNNER.invoke(app, [*again, "--layout", layout])
        assert "is a data set already" in str(refused.exception)


def test_a_problem_gives_exit_code_1(dataset: Path) -> None:
    tifffile.imwrite(dataset / "labels" / "i0.tif", np.ones((3, 3), np.uint8))

    assert "error: i0: the labels have the size 3 × 3" in cellseg(
        "dataset", "check", dataset, code=1
    )


@pytest.fixture
def split_set(dataset: Path) -> Path:
    cellseg("dataset", "split", dataset, "--val", "0.3", "--test", "0.3", "--salt", "2")
    assert all(
        read_manifest(dataset).in_split(side) for side in ("train", "val", "test")
    )
    return dataset


def names(samples: object) -> set[str]:
    return {one.name for one in samples}  # type: ignore[attr-defined]


def test_training_and_validation_take_their_sides(split_set: Path) -> None:
    manifest = read_manifest(split_set)

    sets = base_sets(split_set)

    assert names(sets.training) == names(manifest.in_split("train"))
    assert names(sets.validation) == names(manifest.in_split("val"))


def test_fine_tuning_never_sees_the_test(split_set: Path) -> None:
    manifest = read_manifest(split_set)

    items = training_items(split_set, None)

    test = names(manifest.in_split("test"))
    assert names(items) == names(manifest.images) - test
    assert {item.group for item in items} <= {one.group for one in manifest.images}


class Nothing:
    """A segmenter that finds no cell, and notes how often it was asked."""

    def __init__(self) -> None:
        self.n = 0

    def segment(self, image, options):  # type: ignore[no-untyped-def]
        from napari_cellseg.core.types import SegmentationResult

        self.n += 1
        yield from ()
        empty = np.zeros(image.labels_shape, np.int32)
        return SegmentationResult(empty, np.zeros(0, np.float32), "", "", options)


@pytest.mark.parametrize("split", ["auto", "train", "all"])
def test_evaluation_takes_the_test_unless_told_otherwise(
    split_set: Path, split: str
) -> None:
    manifest, segmenter = read_manifest(split_set), Nothing()

    run(evaluate_folders([split_set], segmenter, SegmentOptions(), split))  # type: ignore[arg-type]

    side = "test" if split == "auto" else split
    assert segmenter.n == len(manifest.in_split(side))


def test_what_is_checked_in_parts_is_left_out_of_an_evaluation(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    first = replace(manifest.images[0], checked=manifest.images[0].labels)
    write_manifest(dataset, replace(manifest, images=(first, *manifest.images[1:])))
    segmenter = Nothing()

    run(evaluate_folders([dataset], segmenter, SegmentOptions()))  # type: ignore[arg-type]

    assert segmenter.n == len(manifest.images) - 1


def test_a_folder_that_is_no_set_says_what_trains_on_it(dataset: Path) -> None:
    with pytest.raises(ImageReadError, match="cellseg fine-tune"):
        base_sets(dataset / "images")


def test_a_set_without_a_split_cannot_train_from_scratch(dataset: Path) -> None:
    with pytest.raises(ImageReadError, match="cellseg dataset split"):
        base_sets(dataset)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one image, of which the left half is checked."""
    labels = labels_of(4)
    save(tmp_path / "a.tif", image_of(labels))
    with create_project(tmp_path / "work") as made:
        made.add_images([tmp_path / "a.tif"])
        made.start_labels(
            1, NewLabels(labels, "YX", dict.fromkeys(range(1, 5), "model"))
        )
        corners = np.array([[0, 0], [0, 15.5], [24, 15.5], [24, 0]])
        made.review(1).save({}, [CheckedArea((), corners)])
    return tmp_path / "work.cellseg"


def test_of_a_project_only_what_is_checked_counts(
    project: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"

    assert "1 images, 2 cells" in cellseg("dataset", "import", project, "-o", data)

    (item,) = training_items(data, None)
    (direct,) = training_items(project, None)
    np.testing.assert_array_equal(item.valid, direct.valid)
    np.testing.assert_array_equal(item.labels[item.valid], direct.labels[direct.valid])
    np.testing.assert_array_equal(item.plane, direct.plane)
    assert "in parts only: 1 images" in cellseg("dataset", "info", data)
    with pytest.raises(ImageReadError, match="checked in parts only"):
        run(evaluate_folders([data], Nothing(), SegmentOptions()))  # type: ignore[arg-type]


def test_a_project_without_anything_checked_is_no_data_set(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", image_of(labels_of(2)))
    with create_project(tmp_path / "work") as made:
        made.add_images([tmp_path / "a.tif"])

    result = RUNNER.invoke(
        app,
        [
            "dataset",
            "import",
            str(tmp_path / "work.cellseg"),
            "-o",
            str(tmp_path / "d"),
        ],
    )

    assert isinstance(result.exception, ProjectError)
    assert not (tmp_path / "d").exists()
