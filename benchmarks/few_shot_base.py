"""Makes a base model that has not seen what a few-shot benchmark is about to show it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from napari_cellseg.core.jobs import run
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.train_options import TrainOptions
from napari_cellseg.io.datasets.dataset import Sample
from napari_cellseg.nn.device import choose_device
from napari_cellseg.nn.training.base import base_spec
from napari_cellseg.nn.training.batches import TrainingImage, training_image
from napari_cellseg.nn.training.data import PERCENTILES, load_training_images
from napari_cellseg.nn.training.loop import fit
from napari_cellseg.nn.weights import save_model
from plays import say_now_and_then

#: The kind of image that glowing nuclei are, real or drawn; see `nn.training.loop.KIND_WEIGHTS`.
NUCLEI = "grey_fluorescence"
SCENE_PX = 256
MADE_NAME = "made.json"


def make_base(
    samples: Sequence[Sample],
    options: TrainOptions,
    folder: Path,
    *,
    only_nuclei: bool,
) -> Path:
    """Train a base model into a folder, or go on, and return its folder.

    Parameters
    ----------
    samples : sequence of Sample
        Real images; drawn scenes are added, `options.synthetic_images` of them.
    options : TrainOptions
        Steps, rates, seed.
    folder : Path
        What is there already is not done again.
    only_nuclei : bool
        Whether the drawn scenes are of glowing nuclei only.
    """
    made = folder / "model"
    if (made / "model.json").is_file():
        return made
    images = [_sorted_in(image) for image in load_training_images(samples)]
    scenes = drawn_scenes(options.seed, only_nuclei=only_nuclei)
    images += [next(scenes) for _ in range(options.synthetic_images)]
    job = fit(images, options, folder, choose_device())
    network, report = run(job, say_now_and_then)
    (folder / MADE_NAME).write_text(
        json.dumps(
            {
                "images": len(samples),
                "scenes": options.synthetic_images,
                "steps": report.steps,
                "crops_a_step": options.batch_size,
                "seconds": round(report.seconds),
                "seed": options.seed,
                "names": sorted(sample.name for sample in samples),
            },
            indent=2,
        )
    )
    save_model(made, network.to("cpu"), base_spec("benchmarks/few_shot.py"))
    return made


def _sorted_in(image: TrainingImage) -> TrainingImage:
    """Return an image under the kind that it looks like: BBBC005 shows glowing cells."""
    return replace(image, kind=NUCLEI) if image.kind == "bbbc005" else image


def drawn_scenes(seed: int, *, only_nuclei: bool) -> Iterator[TrainingImage]:
    """Yield drawn scenes, those of glowing nuclei under the kind of the real ones."""
    number = seed * 1_000_003
    while True:
        number += 1
        scene = random_scene(number, (SCENE_PX, SCENE_PX))
        is_nuclei = scene.options.cells.kind == "nuclei"
        if only_nuclei and not is_nuclei:
            continue
        yield training_image(
            scene.image.plane(),
            scene.labels,
            NUCLEI if is_nuclei else "synthetic",
            PERCENTILES,
            f"scene {number}",
        )
