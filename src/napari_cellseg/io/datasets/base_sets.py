"""The sets that the shipped model is trained and measured on, under one folder.

Which image is trained on, which selects (validation) and which is only reported is
settled here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.datasets.dataset import (
    Sample,
    pairs_in_folder,
    split_by_fold,
    whole_samples,
)
from napari_cellseg.io.datasets.manifest import is_dataset
from napari_cellseg.io.plain_files import read_index

#: One group in so many is held out.
N_FOLDS = {"grey_fluorescence": 14, "usiigaci_phase": 5, "bbbc005": 6, "other": 8}
HELD_FOLD = 0
#: The folders that make up the general model's sets.
SETS = ("dsb2018", "usiigaci_phase", "bbbc005")


@dataclass(frozen=True, slots=True)
class BaseSets:
    """Samples to train on and samples to validate on."""

    training: tuple[Sample, ...]
    validation: tuple[Sample, ...]


def base_sets(folder: Path) -> BaseSets:
    """Return the split of the sets that the shipped weights may be trained on.

    Parameters
    ----------
    folder : Path
        Holds ``dsb2018``, ``usiigaci_phase`` and ``bbbc005``; or is a data set with a
        split of its own.

    Raises
    ------
    ImageReadError
        If it is a data set without a split, or labelled in parts only, or holds neither
        a data set nor all of the sets.
    """
    if is_dataset(folder):
        return _split_of_dataset(folder)
    if missing := [name for name in SETS if not (folder / name).is_dir()]:
        raise ImageReadError(
            f"'{folder}' is no data set with a split and lacks {', '.join(missing)}, which "
            "the general model is trained on. Make a data set with `cellseg dataset "
            "import` and `split`; or teach a model your own images with `cellseg "
            "fine-tune`."
        )
    training: list[Sample] = []
    validation: list[Sample] = []
    pools = {"usiigaci_phase": _usiigaci(folder), "bbbc005": _bbbc005(folder)}
    for sample, split in _dsb2018(folder):
        if split == "benchmark":
            continue
        if split == "val":
            validation.append(sample)
        elif sample.kind == "grey_fluorescence":
            pools.setdefault(sample.kind, []).append(sample)
        else:
            training.append(sample)
    for kind, samples in pools.items():
        kept, held = split_by_fold(samples, N_FOLDS[kind], HELD_FOLD)
        training += kept
        validation += held
    return BaseSets(tuple(training), tuple(validation))


def _split_of_dataset(folder: Path) -> BaseSets:
    """Return the sides train and val of a data set; its test is for reports only."""
    samples = whole_samples(pairs_in_folder(folder))
    training = tuple(sample for sample in samples if sample.split == "train")
    validation = tuple(sample for sample in samples if sample.split == "val")
    if not training or not validation:
        raise ImageReadError(
            f"'{folder}' has {len(training)} images to train on and {len(validation)} to "
            "validate on; both are needed. Part it with `cellseg dataset split`."
        )
    return BaseSets(training, validation)


def _dsb2018(folder: Path) -> list[tuple[Sample, str]]:
    """Return the DSB2018 samples with the split that their index names."""
    rows = {row["name"]: row for row in read_index(folder / "dsb2018" / "index.csv")}
    named = []
    for sample in pairs_in_folder(folder / "dsb2018"):
        row = rows[sample.name]
        group = f"dsb2018/{row['type']}/{row['near_duplicate_group']}"
        named.append((replace(sample, kind=row["type"], group=group), row["split"]))
    return named


def _usiigaci(folder: Path) -> list[Sample]:
    """Return the phase-contrast samples; train_set1 is a frame of a test sequence."""
    samples = pairs_in_folder(folder / "usiigaci_phase")
    return [sample for sample in samples if sample.name != "train_set1"]


def _bbbc005(folder: Path) -> list[Sample]:
    """Return the SIMCEP samples with exact labels; a scene's blur levels stay together."""
    rows = {row["name"]: row for row in read_index(folder / "bbbc005" / "counts.csv")}
    samples = pairs_in_folder(folder / "bbbc005")
    return [
        replace(
            sample,
            group=f"bbbc005/{sample.name.split('_')[-1]}/{rows[sample.name]['true_count']}",
        )
        for sample in samples
    ]


def benchmark_set(folder: Path) -> list[Sample]:
    """Return the 50 images of the StarDist paper: reported, never trained or selected on."""
    return pairs_in_folder(folder / "dsb2018_stardist_test", "dsb2018_stardist_test")
