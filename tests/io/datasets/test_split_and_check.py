"""A split that any computer finds again, and what a check sees."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.io.datasets.made_layouts import image_of, labels_of, make_pairs, save

from napari_cellseg.core.dataset_options import SplitOptions
from napari_cellseg.core.errors import OptionsError
from napari_cellseg.core.jobs import run
from napari_cellseg.io.datasets.checking import (
    Problem,
    cells_in_pieces,
    check_dataset,
)
from napari_cellseg.io.datasets.importing import import_dataset
from napari_cellseg.io.datasets.layouts import find_images
from napari_cellseg.io.datasets.looks import MAX_DISTANCE, look_of, near_pairs
from napari_cellseg.io.datasets.manifest import (
    DatasetImage,
    Manifest,
    read_manifest,
    write_manifest,
)
from napari_cellseg.io.datasets.splitting import (
    counts_by_split,
    side_of,
    split_dataset,
)


def images(n: int = 300, per_group: int = 3) -> tuple[DatasetImage, ...]:
    return tuple(
        DatasetImage(
            f"p{i // 50:02d}_{i:03d}",
            f"images/{i}.tif",
            f"labels/{i}.tif",
            group=f"field {i // per_group}",
            attributes={"patient": f"p{i // 50}"},
        )
        for i in range(n)
    )


def sides(manifest: Manifest) -> dict[str, str]:
    return {one.name: one.split for one in manifest.images}


def test_no_group_is_on_two_sides_and_the_shares_are_about_right() -> None:
    parted = split_dataset(Manifest("m", images()), SplitOptions(0.2, 0.1))

    by_group: dict[str, set[str]] = {}
    for one in parted.images:
        by_group.setdefault(one.group, set()).add(one.split)
    assert all(len(found) == 1 for found in by_group.values())
    counts = counts_by_split(parted)
    assert 35 <= counts["val"] <= 85
    assert 10 <= counts["test"] <= 55
    assert sum(counts.values()) == 300


def test_neither_order_nor_other_images_move_an_image() -> None:
    every = images()
    shuffled = random.Random(3).sample(every, len(every))
    options = SplitOptions()

    whole = sides(split_dataset(Manifest("m", every), options))

    assert sides(split_dataset(Manifest("m", tuple(shuffled)), options)) == whole
    part = sides(split_dataset(Manifest("m", every[:40]), options))
    assert part.items() <= whole.items()


def test_another_process_finds_the_same_split() -> None:
    code = (
        "from napari_cellseg.io.datasets.splitting import *;"
        "print([side_of(f'g{i}', SplitOptions()) for i in range(50)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(
        [side_of(f"g{i}", SplitOptions()) for i in range(50)]
    )


def test_a_split_is_what_it_was() -> None:
    """Digests of groups, written down: a change of the rule would move images."""
    found = [
        side_of(name, SplitOptions(0.2, 0.2)) for name in ("a", "b", "c", "d", "e")
    ]

    # The first bytes of SHA-256 of NUL and the letter, over 2**64.
    import hashlib

    places = [
        int.from_bytes(hashlib.sha256(b"\0" + name).digest()[:8], "big") / 2**64
        for name in (b"a", b"b", b"c", b"d", b"e")
    ]
    expected = ["test" if p < 0.2 else "val" if p < 0.4 else "train" for p in places]
    assert found == expected


@pytest.mark.parametrize(
    "options", [SplitOptions(0.3, 0.3, by="patient"), SplitOptions(0.3, 0.3, pattern=r"^(p\d+)_")]
)  # fmt: skip
def test_a_patient_stays_together(options: SplitOptions) -> None:
    parted = split_dataset(Manifest("m", images()), options)

    for number in range(6):
        found = {
            one.split for one in parted.images if one.name.startswith(f"p{number:02d}")
        }
        assert len(found) == 1


def test_0_is_a_value_that_can_be_grouped_by() -> None:
    frames = tuple(replace(one, attributes={"frame": 0}) for one in images(2))

    parted = split_dataset(Manifest("m", frames), SplitOptions(by="frame"))

    assert {one.group for one in parted.images} == {"frame/0"}


def test_another_salt_gives_another_split() -> None:
    first = split_dataset(Manifest("m", images()), SplitOptions(salt="1"))
    second = split_dataset(Manifest("m", images()), SplitOptions(salt="2"))

    assert sides(first) != sides(second)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"val": 0.6, "test": 0.5}, "leave nothing"),
        ({"val": -0.1}, "between 0 and 1"),
        ({"by": "plate"}, "have no 'plate'; choose group, image, patient"),
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "x(y)"}, "finds nothing in"),
        ({"pattern": "p"}, "round brackets"),
    ],
)
def test_bad_options_are_one_sentence(options: dict, said: str) -> None:
    with pytest.raises(OptionsError) as caught:
        split_dataset(Manifest("m", images(6)), SplitOptions(**options))

    assert said in str(caught.value)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A data set of four images that nothing is wrong with."""
    folder = tmp_path / "set"
    make_pairs(folder)
    for seed, name in enumerate(("c", "d")):
        labels = labels_of(6 + seed)[::-1]
        save(folder / "images" / f"{name}.png", image_of(labels, 10 + seed))
        save(folder / "masks" / f"{name}.tif", labels.astype(np.uint16))
    out = tmp_path / "out"
    source, layout = find_images(folder)
    run(import_dataset(source, folder, out, layout))
    return out


def problems(folder: Path) -> list[Problem]:
    return run(check_dataset(folder, read_manifest(folder)))


def kinds(folder: Path) -> list[str]:
    return [problem.kind for problem in problems(folder)]


def relabel(folder: Path, name: str, labels: np.ndarray) -> None:
    save(folder / "labels" / f"{name}.tif", labels.astype(np.uint16))


def test_a_good_data_set_has_no_problem(dataset: Path) -> None:
    assert problems(dataset) == []


def test_labels_of_another_size_are_found(dataset: Path) -> None:
    relabel(dataset, "a", labels_of(3)[:10])

    (problem,) = problems(dataset)
    assert problem.kind == "other size"
    assert problem.weight == "error"
    assert "10 × 32" in problem.text


def test_an_image_without_a_number_is_found(tmp_path: Path) -> None:
    folder, out = tmp_path / "set", tmp_path / "out"
    nothing = np.full((24, 32), np.nan, np.float32)
    save(folder / "images" / "a.tif", nothing)
    save(folder / "masks" / "a.tif", labels_of(3).astype(np.uint16))
    source, layout = find_images(folder)
    run(import_dataset(source, folder, out, layout))

    (problem,) = problems(out)
    assert (problem.weight, problem.kind) == ("error", "no number")
    assert "a: no pixel of the image is a number" in problem.text


def test_labels_without_a_cell_are_found(dataset: Path) -> None:
    relabel(dataset, "a", labels_of(0))

    assert kinds(dataset) == ["no cell"]


def test_labels_that_are_there_twice_are_found(dataset: Path) -> None:
    relabel(dataset, "a", labels_of(5))

    (problem,) = problems(dataset)
    assert problem.kind == "same labels twice"
    assert problem.images == ("a", "b")


def test_cells_in_two_pieces_are_found(dataset: Path) -> None:
    labels = labels_of(3)
    labels[labels == 3] = 1
    relabel(dataset, "a", labels)

    (problem,) = problems(dataset)
    assert problem.kind == "in pieces"
    assert "(1)" in problem.text


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_pieces_are_counted_in_stacks_and_time(lead: tuple[int, ...]) -> None:
    labels = np.zeros((*lead, 8, 8), np.int32)
    labels[..., 1:3, 1:3] = 1
    labels[..., 1:3, 3:5] = 2  # touches 1
    labels[..., 6, 6] = 2

    assert cells_in_pieces(labels) == [2]


def test_files_that_are_gone_or_changed_are_found(dataset: Path) -> None:
    (dataset / "images" / "a.png").unlink()
    save(dataset / "images" / "b.png", image_of(labels_of(5), 77))

    assert kinds(dataset) == ["cannot be read", "image changed"]


def test_the_same_image_twice_is_found(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    first = manifest.images[0]
    twin = replace(first, name="twin")
    write_manifest(dataset, replace(manifest, images=(*manifest.images, twin)))

    assert "same image twice" in kinds(dataset)


def test_a_group_on_two_sides_is_found(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    moved = tuple(
        replace(one, group="g", split=side)
        for one, side in zip(
            manifest.images, ("train", "val", "train", "train"), strict=True
        )
    )
    write_manifest(dataset, replace(manifest, images=moved))

    (problem,) = problems(dataset)
    assert problem.kind == "group on two sides"


def test_a_near_twin_across_the_split_is_found(dataset: Path) -> None:
    """Another focus, brightness and noise; on one side it would be no problem."""
    from scipy.ndimage import gaussian_filter

    scene = image_of(labels_of(5), 1).astype(float)
    twin = np.clip(gaussian_filter(scene, 0.4) * 0.7 + 20, 0, 255).astype(np.uint8)
    save(dataset / "images" / "a.png", twin)
    manifest = read_manifest(dataset)
    for split, expected in (("train", []), ("test", ["near twins across the split"])):
        moved = tuple(
            replace(one, sha256="", split=split if one.name == "a" else "train")
            for one in manifest.images
        )
        write_manifest(dataset, replace(manifest, images=moved))
        assert kinds(dataset) == expected


def test_flat_images_are_no_twins() -> None:
    flat = look_of(np.full((1, 50, 60), 7.0))

    assert list(near_pairs([flat, flat])) == []


def test_brightness_does_not_change_a_look() -> None:
    plane = np.random.default_rng(0).random((1, 50, 60))

    assert float(look_of(plane) @ look_of(3 * plane + 5)) == pytest.approx(1, abs=1e-5)


def test_real_scenes_in_another_focus_are_near_and_other_scenes_are_not(
    shared_data: Path,
) -> None:
    from napari_cellseg.io.reading.images import read_image

    phase = sorted((shared_data / "usiigaci_phase" / "images").glob("*.tif"))[:12]
    looks = [look_of(read_image(path).plane()) for path in phase]
    from scipy.ndimage import gaussian_filter

    plane = read_image(phase[3]).plane().astype(float)
    blurred = look_of(gaussian_filter(plane, (0, 2, 2)) * 0.8)

    assert list(near_pairs(looks)) == []
    assert 1 - float(blurred @ looks[3]) < MAX_DISTANCE
