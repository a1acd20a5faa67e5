"""Folders made exactly as public sets are laid out, from small images."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from napari_cellseg.io.exchange.cells import Cells
from napari_cellseg.io.exchange.coco import write_coco
from napari_cellseg.io.exchange.seg_npy import write_seg_npy

SHAPE = (24, 32)


def labels_of(number: int) -> np.ndarray:
    """Return labels of `number` squares that do not touch."""
    labels = np.zeros(SHAPE, np.int32)
    for cell in range(number):
        labels[2 + 6 * (cell // 4) :, 2 + 7 * (cell % 4) :][:4, :5] = cell + 1
    return labels


def image_of(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return a grey image of labels, with noise."""
    noise = np.random.default_rng(seed).integers(0, 40, labels.shape)
    return (noise + 150 * (labels > 0)).astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in (".tif", ".tiff"):
        tifffile.imwrite(path, pixels)
    else:
        Image.fromarray(pixels).save(path)


#: Name of the image -> its labels; two images each.
Truth = dict[str, np.ndarray]


def make_pairs(folder: Path) -> Truth:
    truth = {"a": labels_of(3), "b": labels_of(5)}
    for seed, (name, labels) in enumerate(truth.items()):
        save(folder / "images" / f"{name}.png", image_of(labels, seed))
        save(folder / "masks" / f"{name}.tif", labels.astype(np.uint16))
    return truth


def make_flat_pairs(folder: Path) -> Truth:
    truth = {"a": labels_of(3), "b": labels_of(5)}
    for seed, (name, labels) in enumerate(truth.items()):
        save(folder / f"{name}.tif", image_of(labels, seed))
        save(folder / f"{name}_labels.tif", labels.astype(np.uint16))
    return truth


def make_dsb2018(folder: Path) -> Truth:
    truth = {"0a7d": labels_of(2), "0b2e": labels_of(4)}
    for seed, (name, labels) in enumerate(truth.items()):
        grey = image_of(labels, seed)
        opaque = np.full_like(grey, 255)
        save(
            folder / name / "images" / f"{name}.png",
            np.stack([grey] * 3 + [opaque], -1),
        )
        for cell in range(1, labels.max() + 1):
            mask = (255 * (labels == cell)).astype(np.uint8)
            save(folder / name / "masks" / f"{cell:064x}.png", mask)
    return truth


def make_bbbc005(folder: Path) -> Truth:
    truth = {}
    for blur, well in ((1, "A03"), (23, "H03")):
        for stain in (1, 2):
            name = f"SIMCEPImages_{well}_C5_F{blur}_s07_w{stain}"
            labels = labels_of(5)
            pixels = image_of(labels, blur + stain)
            save(folder / "BBBC005_v1_images" / f"{name}.TIF", pixels)
            if stain == 1:
                truth[name] = labels
        sharp = folder / "BBBC005_v1_ground_truth" / "SIMCEPImages_A03_C5_F1_s07_w1.TIF"
        save(sharp, (255 * (labels_of(5) > 0)).astype(np.uint8))
    return truth


def make_coco(folder: Path) -> Truth:
    truth = {
        "A172_Phase_C7_1_00d00h00m_1": labels_of(3),
        "BV2_Phase_B4_2_01d04h00m_3": labels_of(6),
    }
    for split, (name, labels) in zip(("train", "test"), truth.items(), strict=True):
        line = name.split("_")[0]
        save(folder / "images" / line / f"{name}.tif", image_of(labels, len(line)))
        cells = Cells(labels, image_name=f"{name}.tif")
        (folder / "annotations").mkdir(exist_ok=True)
        write_coco(folder / "annotations" / f"livecell_coco_{split}.json", cells)
    (folder / "annotations" / "readme.json").write_text(json.dumps({"version": 1}))
    return truth


def make_sartorius(folder: Path) -> Truth:
    truth = {"0030fd0e6378": labels_of(3), "0140b3c8f445": labels_of(4)}
    rows = []
    for seed, (name, labels) in enumerate(truth.items()):
        save(folder / "train" / f"{name}.png", image_of(labels, seed))
        for cell in range(1, labels.max() + 1):
            places = np.flatnonzero(labels == cell) + 1  # along the rows, from 1
            firsts = places[np.diff(places, prepend=-1) != 1]
            lasts = places[np.diff(places, append=10**9) != 1]
            runs = " ".join(
                f"{a} {b - a + 1}" for a, b in zip(firsts, lasts, strict=True)
            )
            rows.append(
                [name, runs, SHAPE[1], SHAPE[0], "shsy5y", "11h30m00s", "2019-06-16",
                 f"shsy5y[diff]_E10-4_Vessel-714_Ph_{seed}", "0 days 11:30:00"]
            )  # fmt: skip
    with (folder / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["id", "annotation", "width", "height", "cell_type", "plate_time",
             "sample_date", "sample_id", "elapsed_timedelta"]
        )  # fmt: skip
        writer.writerows(rows)
    return truth


def make_cellpose(folder: Path) -> Truth:
    truth = {"train_000": labels_of(3), "test_000": labels_of(2)}
    for name, labels in truth.items():
        split, number = name.split("_")
        save(folder / split / f"{number}_img.png", image_of(labels, len(split)))
        save(folder / split / f"{number}_masks.png", labels.astype(np.uint16))
    return truth


def make_seg_npy(folder: Path) -> Truth:
    truth = {"a": labels_of(3), "b": labels_of(5)}
    for seed, (name, labels) in enumerate(truth.items()):
        save(folder / f"{name}.tif", image_of(labels, seed))
        write_seg_npy(folder / f"{name}_seg.npy", Cells(labels))
    return truth


def make_ctc(folder: Path) -> Truth:
    truth = {}
    for sequence in ("01", "02"):
        for frame in range(3):
            labels = labels_of(3 + frame)
            pixels = image_of(labels, frame + int(sequence))
            save(folder / sequence / f"t{frame:03d}.tif", pixels)
            gold = folder / f"{sequence}_GT"
            small = np.where(np.arange(SHAPE[0])[:, None] % 2, labels, 0)
            save(gold / "TRA" / f"man_track{frame:03d}.tif", small.astype(np.uint16))
            if frame != 1:
                save(gold / "SEG" / f"man_seg{frame:03d}.tif", labels.astype(np.uint16))
                truth[f"{sequence}_t{frame:03d}"] = labels
    return truth


#: Layout that is found by itself -> what makes a folder of it.
LAYOUTS: dict[str, tuple[str, Callable[[Path], Truth]]] = {
    "pairs": ("pairs", make_pairs),
    "flat pairs": ("pairs", make_flat_pairs),
    "dsb2018": ("dsb2018", make_dsb2018),
    "bbbc005": ("bbbc005", make_bbbc005),
    "coco": ("coco", make_coco),
    "sartorius": ("sartorius", make_sartorius),
    "cellpose": ("cellpose", make_cellpose),
    "cellpose seg.npy": ("cellpose", make_seg_npy),
    "ctc": ("ctc", make_ctc),
}
