"""Every layout becomes the same plain one, with where it came from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.io.datasets.made_layouts import (
    LAYOUTS,
    SHAPE,
    image_of,
    labels_of,
    make_bbbc005,
    make_coco,
    make_ctc,
    make_dsb2018,
    make_pairs,
    make_sartorius,
    save,
)

from napari_cellseg.core.errors import DiskFullError, ImageReadError, SaveError
from napari_cellseg.core.jobs import run
from napari_cellseg.io.datasets import importing
from napari_cellseg.io.datasets.importing import Imported, digest_of, import_dataset
from napari_cellseg.io.datasets.layouts import LAYOUTS as KNOWN_LAYOUTS
from napari_cellseg.io.datasets.layouts import find_images
from napari_cellseg.io.datasets.manifest import MANIFEST_NAME, read_manifest
from napari_cellseg.io.reading.images import read_image, read_labels

#: A TIFF of many pages that does not say what they are.
PLAIN_STACK: dict = {"metadata": None, "photometric": "minisblack"}


def imported(folder: Path, layout: str = "auto") -> tuple[Path, Imported]:
    out = folder.parent / f"{folder.name} out"
    source, name = find_images(folder, layout)
    return out, run(import_dataset(source, folder, out, name))


@pytest.mark.parametrize("made", LAYOUTS)
def test_every_layout_is_known_and_comes_out_the_same(
    tmp_path: Path, made: str
) -> None:
    layout, make = LAYOUTS[made]
    folder = tmp_path / "set"
    folder.mkdir()
    truth = make(folder)

    out, done = imported(folder)

    manifest = read_manifest(out)
    assert manifest == done.manifest
    assert manifest.provenance["layout"] == layout
    assert done.failed == ()
    assert {one.name for one in manifest.images} == set(truth)
    for one in manifest.images:
        labels, _ = read_labels(out / one.labels)
        np.testing.assert_array_equal(labels, truth[one.name])
        assert read_image(out / one.image).labels_shape == SHAPE
        assert one.n_cells == truth[one.name].max()
        assert one.sha256 == digest_of(out / one.image)
        assert (folder / one.source["image"]).is_file()
        assert digest_of(folder / one.source["image"]) == one.sha256


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    """The same set written in another order gives the same manifest."""
    manifests = []
    for turn, names in enumerate((["a", "b", "c"], ["c", "a", "b"])):
        folder = tmp_path / str(turn) / "set"
        for name in names:
            save(folder / "images" / f"{name}.png", image_of(labels_of(3), ord(name)))
            save(folder / "labels" / f"{name}.png", labels_of(3).astype(np.uint16))
        manifests.append(imported(folder)[1].manifest.images)

    assert manifests[0] == manifests[1]


def test_an_index_names_kind_group_and_split(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_pairs(folder)
    rows = [
        ["name", "type", "near_duplicate_group", "split", "plate"],
        ["a", "grey", "4", "train", "P1"],
        ["b.png", "grey", "4", "benchmark", "P2"],
    ]
    with (folder / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)

    first, second = imported(folder)[1].manifest.images

    assert (first.kind, first.group, first.split) == ("grey", "grey/4", "train")
    assert (second.group, second.split) == ("grey/4", "test")
    assert second.attributes == {"plate": "P2"}


def test_bbbc005_names_are_understood_and_scenes_stay_together(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_bbbc005(folder)

    _, done = imported(folder)

    sharp, blurred = done.manifest.images
    assert sharp.attributes == {
        "well": "A03", "count": 5, "blur": 1, "sample": 7, "stain": 1,
    }  # fmt: skip
    assert blurred.attributes["blur"] == 23
    assert sharp.group == blurred.group
    assert done.notes == ("2 images have no truth and were left out.",)


def test_bbbc005_cells_that_touch_are_no_labels(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_bbbc005(folder)
    truth = folder / "BBBC005_v1_ground_truth" / "SIMCEPImages_A03_C4_F1_s01_w1.TIF"
    save(truth, (255 * (labels_of(3) > 0)).astype(np.uint8))
    name = "SIMCEPImages_A03_C4_F1_s01_w1.TIF"
    save(folder / "BBBC005_v1_images" / name, image_of(labels_of(3)))

    _, done = imported(folder)

    (failed,) = done.failed
    assert "3 pieces for 4 cells" in failed


def test_livecell_names_are_understood(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_coco(folder)

    first, second = imported(folder)[1].manifest.images

    assert (first.kind, first.group, first.split) == ("A172", "A172/C7", "train")
    assert (second.kind, second.group, second.split) == ("BV2", "BV2/B4", "test")
    assert first.attributes["time"] == "00d00h00m"


def test_a_coco_file_finds_images_in_the_folder_above(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_coco(folder)

    source, layout = find_images(folder / "annotations" / "livecell_coco_test.json")

    assert layout == "coco"
    assert [one.kind for one in source.images] == ["BV2"]


def test_sartorius_wells_stay_together_and_overlaps_are_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_sartorius(folder)
    with (folder / "train.csv").open("a", newline="") as file:
        row = ["0030fd0e6378", "67 2", 32, 24, "shsy5y", "", "", "x", ""]
        csv.writer(file).writerow(row)  # lies on the first cell

    _, done = imported(folder)

    first, second = done.manifest.images
    assert first.kind == "shsy5y"
    assert first.group == second.group == "shsy5y[diff]_E10-4_Vessel-714"
    assert "overlap in 2 pixels" in done.notes[0]


def test_sartorius_runs_go_along_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    save(folder / "train" / "x.png", np.zeros((3, 4), np.uint8))
    (folder / "train.csv").write_text("id,annotation,width,height\nx,2 2 9 1,4,3\n")

    out, _ = imported(folder)

    labels, _ = read_labels(out / "labels" / "x.tif")
    assert np.argwhere(labels).tolist() == [[0, 1], [0, 2], [2, 0]]


def test_ctc_planes_of_stacks_and_markers(tmp_path: Path) -> None:
    folder = tmp_path / "Fluo-N3DH-CE"
    stack = np.stack([image_of(labels_of(2), z) for z in range(4)])
    # The files of the challenge do not say what their axes are.
    tifffile.imwrite(_made(folder / "01") / "t007.tif", stack, **PLAIN_STACK)
    seg = _made(folder / "01_GT" / "SEG") / "man_seg_007_002.tif"
    save(seg, labels_of(2).astype(np.uint16))
    other = folder.parent / "moved"
    make_ctc(other)
    for file in (other / "02_GT" / "SEG").iterdir():
        file.unlink()
    (other / "02").rename(folder / "02")
    (other / "02_GT").rename(folder / "02_GT")

    out, done = imported(folder)

    plane = done.manifest.images[0]
    assert plane.name == "01_t007_z002"
    np.testing.assert_array_equal(read_image(out / plane.image).plane()[0], stack[2])
    assert [one.name for one in done.manifest.images[1:]] == [
        "02_t000", "02_t001", "02_t002",
    ]  # fmt: skip
    assert "Sequence 02 has markers (TRA)" in done.notes[0]


def test_ctc_stacks_are_whole_where_their_truth_is(tmp_path: Path) -> None:
    folder = tmp_path / "Fluo-N3DH-CE"
    truth = np.stack([labels_of(2)] * 4)
    stack = np.stack([image_of(plane, z) for z, plane in enumerate(truth)])
    tifffile.imwrite(_made(folder / "01") / "t007.tif", stack, **PLAIN_STACK)
    seg = _made(folder / "01_GT" / "SEG") / "man_seg007.tif"
    tifffile.imwrite(seg, truth.astype(np.uint16), **PLAIN_STACK)

    out, done = imported(folder)

    (one,) = done.manifest.images
    image = read_image(out / one.image)
    assert image.axes == one.axes == "CZYX"
    np.testing.assert_array_equal(np.asarray(image.data)[0], stack)
    np.testing.assert_array_equal(read_labels(out / one.labels)[0], truth)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_dsb2018_masks_that_overlap_are_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_dsb2018(folder)
    mask = np.zeros(SHAPE, np.uint8)
    mask[2:4, 2:4] = 255
    save(folder / "0a7d" / "masks" / "zz.png", mask)

    _, done = imported(folder)

    assert done.notes == (
        "0a7d: Cells overlap in 4 pixels, which went to the smaller cell.",
    )


def test_a_bad_image_is_left_out_and_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_pairs(folder)
    (folder / "images" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    save(folder / "masks" / "c.tif", labels_of(2).astype(np.uint16))
    save(folder / "images" / "d.png", image_of(labels_of(2)))
    save(folder / "masks" / "d.tif", labels_of(2)[:9].astype(np.uint16))
    save(folder / "images" / "e.png", image_of(labels_of(2)))

    out, done = imported(folder)

    assert [one.name for one in done.manifest.images] == ["a", "b"]
    assert [text[:2] for text in done.failed] == ["c:", "d:"]
    assert "9 × 32" in done.failed[1]
    assert done.notes == ("left out: e.png (no labels).",)
    assert not (out / "images" / "c.png").exists()


def test_labels_without_an_image_are_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_pairs(folder)
    save(folder / "masks" / "lost.tif", labels_of(2).astype(np.uint16))

    _, done = imported(folder)

    assert done.notes == ("left out: lost.tif (labels without an image).",)


@pytest.mark.parametrize("image", ["a.ome.tif", "a.png"])
@pytest.mark.parametrize("labels", ["a_labels.ome.tif", "a_labels.tif"])
def test_an_ending_of_two_parts_is_one_ending(
    tmp_path: Path, image: str, labels: str
) -> None:
    folder = _made(tmp_path / "set")
    save(folder / image, image_of(labels_of(2)))
    save(folder / labels, labels_of(2).astype(np.uint16))

    _, done = imported(folder)

    assert [one.n_cells for one in done.manifest.images] == [2]
    assert done.notes == ()


def test_what_cellpose_left_alone_is_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a_img.png", "b.png"):
        save(folder / name, image_of(labels_of(2)))
    for name in ("a_masks.png", "c_masks.png"):
        save(folder / name, labels_of(2).astype(np.uint16))
    np.save(folder / "d_seg.npy", {"masks": labels_of(2)}, allow_pickle=True)  # type: ignore[arg-type]

    _, done = imported(folder, "cellpose")

    assert [one.name for one in done.manifest.images] == ["a"]
    assert done.notes == (
        "left out: b.png (no labels).",
        "left out: c_masks.png, d_seg.npy (labels without an image).",
    )


def test_cells_of_no_image_of_a_coco_file_are_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_coco(folder)
    file = folder / "annotations" / "livecell_coco_train.json"
    content = json.loads(file.read_text())
    content["annotations"].append({**content["annotations"][0], "image_id": 99})
    file.write_text(json.dumps(content))

    _, done = imported(folder)

    assert "1 cells belong to no image of their file: left out." in done.notes


def test_an_import_that_failed_can_be_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_pairs(folder)
    good = (folder / "images" / "a.png").read_bytes()
    for path in (folder / "images").iterdir():
        path.write_bytes(b"broken")
    with pytest.raises(ImageReadError, match="None of"):
        imported(folder)
    (folder / "images" / "a.png").write_bytes(good)

    _, done = imported(folder)

    assert [one.name for one in done.manifest.images] == ["a"]


def test_images_of_one_name_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    for place in ("x", "y"):
        name = "A172_Phase_C7_1_00d00h00m_1"
        save(folder / place / f"{name}.tif", image_of(labels_of(2)))
    for number, suffix in enumerate((".tif", ".png")):
        save(folder / "p" / "images" / f"a{suffix}", image_of(labels_of(2), number))
    save(folder / "p" / "labels" / "a.tif", labels_of(2).astype(np.uint16))

    _, done = imported(folder / "p")

    names = [one.name for one in done.manifest.images]
    assert len(names) == len(set(names)) == 2


@pytest.mark.parametrize("layout", ["auto", *(one.name for one in KNOWN_LAYOUTS)])
def test_nothing_to_import_is_one_sentence(tmp_path: Path, layout: str) -> None:
    with pytest.raises(ImageReadError, match=r"Choose|Name one"):
        find_images(tmp_path, layout)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="There is no"):
        find_images(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "columns of none"),
        ("image,mask\n1,2\n", "columns image, mask"),
        ("id,annotation,width,height\na,1 2 3,32,24\n", "cannot be read"),
        ("id,annotation,width,height\na,1 x,32,24\n", "cannot be read"),
        ("id,annotation,width,height\na,9999 2,32,24\n", "has 768"),
        ("id,annotation,width,height\na,1 2,99,24\n", "(24, 32)"),
    ],
)
def test_a_bad_table_of_sartorius_is_one_sentence(
    tmp_path: Path, table: str, said: str
) -> None:
    save(tmp_path / "set" / "train" / "a.png", image_of(labels_of(2)))
    (tmp_path / "set" / "train.csv").write_text(table)

    with pytest.raises(ImageReadError) as caught:
        imported(tmp_path / "set", "sartorius")

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_written_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    make_pairs(folder)
    out = tmp_path / "set out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")

    with pytest.raises(SaveError, match="not empty"):
        imported(folder)

    assert [path.name for path in out.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"images/a.png"', '"../a.png"', "outside of its folder"),
        ('"name": "a"', '"name": "b"', "names an image twice"),
        ('"split": ""', '"split": "mine"', "a split is train"),
        ('"cellseg dataset"', '"other"', "is of format 'other'"),
        ('"n_cells"', '"n_things"', "cannot be read"),
        ('"name": "a"', '"name": 5', "name is 5, no str"),
        ('"image": "images/a.png"', '"image": null', "image is None, no str"),
        ('"shape": [', '"shape": ["many",', "no whole numbers"),
        ("{", "", "cannot be read"),
    ],
)
def test_a_bad_manifest_is_one_sentence(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    make_pairs(tmp_path / "set")
    out, _ = imported(tmp_path / "set")
    path = out / MANIFEST_NAME
    path.write_text(path.read_text().replace(old, new))

    with pytest.raises(ImageReadError, match=said):
        read_manifest(out)


def test_real_pairs_keep_groups_and_splits(tmp_path: Path, shared_data: Path) -> None:
    source, layout = find_images(shared_data / "dsb2018")

    assert layout == "pairs"
    assert len(source.images) == 583
    assert sum(one.split == "test" for one in source.images) == 49
    assert len({one.group for one in source.images}) < 583


def test_real_bbbc005_files_under_their_own_names(
    tmp_path: Path, shared_data: Path
) -> None:
    place = shared_data / "bbbc005"
    with (place / "counts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [row for row in rows if row["true_count"] in ("1", "5", "57")]
    folder = tmp_path / "set"
    for row in chosen:
        name, truth = Path(row["source_path"]).name, Path(row["ground_truth_path"])
        pixels = read_image(place / "images" / f"{row['name']}.png").plane()[0]
        save(folder / "images_all" / f"SIMCEPImages_{name}", pixels)
        (foreground,) = (place / "foreground").glob(f"{row['name']}.*")
        save(folder / truth, read_image(foreground).plane()[0])

    _, done = imported(folder)

    exact = [row for row in chosen if row["has_instance_mask"] == "1"]
    assert len(done.manifest.images) == len(exact)
    assert len(done.failed) == len(chosen) - len(exact)
    for one in done.manifest.images:
        assert one.n_cells == one.attributes["count"]


def test_what_a_crowd_covers_is_neither_cell_nor_background(tmp_path: Path) -> None:
    folder = tmp_path / "coco"
    make_coco(folder)
    (folder / "annotations" / "livecell_coco_test.json").unlink()
    path = folder / "annotations" / "livecell_coco_train.json"
    content = json.loads(path.read_text())
    crowd = content["annotations"][0]
    crowd["iscrowd"] = 1
    path.write_text(json.dumps(content))

    out, done = imported(folder)

    (entry,) = done.manifest.images
    checked, _ = read_labels(out / entry.checked)
    labels, _ = read_labels(out / entry.labels)
    assert int((checked == 0).sum()) == crowd["area"]
    assert not labels[checked == 0].any()


def test_a_disk_that_fills_stops_the_import_without_a_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    make_pairs(folder)
    written: list[Path] = []

    def write(path: Path, *_: object, **__: object) -> None:
        written.append(path)
        if len(written) == 2:
            raise DiskFullError(f"'{path}' could not be written: the disk is full.")
        path.write_bytes(b"labels")

    monkeypatch.setattr(importing, "write_labels", write)
    with pytest.raises(DiskFullError, match="disk is full"):
        imported(folder)
    assert written
    assert not (tmp_path / "set out").exists()


def test_an_import_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    folder, out = tmp_path / "set", tmp_path / "out"
    folder.mkdir()
    make_pairs(folder)
    job = import_dataset(find_images(folder, "pairs")[0], folder, out, "pairs")
    for _ in range(3):
        next(job)
    assert any(out.rglob("*.tif"))

    job.close()

    assert not out.exists()
