"""Fine-tuning: never worse, nothing lost, one sentence where it cannot go on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_cellseg.core import train_options
from napari_cellseg.core.errors import SaveError, TrainingError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.core.train_options import FineTuneOptions
from napari_cellseg.core.training.holdout import ItemErrors
from napari_cellseg.core.training.item import (
    Comparison,
    TrainingItem,
    TrainProgress,
    known_around,
    supply_of,
)
from napari_cellseg.io.models.folder import find_model, read_model_spec
from napari_cellseg.io.models.left_trainings import is_running
from napari_cellseg.io.models.training_files import (
    STOP_NAME,
    TrainingRequest,
    pictures_in,
    read_outcome,
    write_request,
)
from napari_cellseg.nn.fine_tuning import data as fine_tune_data
from napari_cellseg.nn.fine_tuning import judge as judge_module
from napari_cellseg.nn.fine_tuning import pace as fine_tune_pace
from napari_cellseg.nn.fine_tuning.data import (
    REPLAYED,
    as_shared,
    replayed_images,
    training_images,
)
from napari_cellseg.nn.fine_tuning.examiner import Examination, Examiner, compare
from napari_cellseg.nn.fine_tuning.fine_tune import fine_tune
from napari_cellseg.nn.fine_tuning.judge import Judge
from napari_cellseg.nn.fine_tuning.part_way import part_way
from napari_cellseg.nn.fine_tuning.report import advice, luck_of, nothing_kept, verdict
from napari_cellseg.nn.fine_tuning.split import Split, Splitter
from napari_cellseg.nn.fine_tuning.state import FineTuneRun
from napari_cellseg.nn.network import CellNet
from napari_cellseg.nn.process.child_trainer import ChildTrainer
from napari_cellseg.nn.side_by_side import most_changed
from napari_cellseg.nn.training.augment import draw_crops
from napari_cellseg.nn.training.batches import CropSampler

OPTIONS = FineTuneOptions(steps=4, batch_size=2, crop_px=64)
SAME = Comparison(40, 0.8, 0.8, 0.5, 0.5, 0.1, 0.1, 0, 0)


@pytest.fixture(autouse=True)
def _small_base_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fine_tune_data, "REPLAY_SEEDS", range(2))
    monkeypatch.setattr(fine_tune_data, "BASE_SEEDS", range(2, 4))
    monkeypatch.setattr(fine_tune_data, "SCENE_SHAPE_YX", (96, 96))


def scene_item(seed: int) -> TrainingItem:
    scene = random_scene(seed, (160, 160))
    valid = np.zeros((160, 160), bool)
    valid[:, :120] = True
    name = f"scene {seed}"
    return TrainingItem(scene.image.plane(), scene.labels, valid, name, name)


@pytest.fixture(scope="module")
def items() -> list[TrainingItem]:
    return [scene_item(seed) for seed in (13, 25)]


def request(options: FineTuneOptions = OPTIONS) -> TrainingRequest:
    return TrainingRequest(str(find_model(None)), "cpu", options, "mine", "Mine")


def test_a_training_leaves_a_model_that_knows_where_it_comes_from(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    write_request(tmp_path, request(), items)
    seen: list[TrainProgress] = []
    outcome = run(fine_tune(tmp_path), seen.append)  # type: ignore[arg-type]
    spec = read_model_spec(outcome.folder)
    parent = read_model_spec(find_model(None))
    assert spec.parent_sha256 == parent.weights_sha256
    assert spec.name == "mine"
    assert spec.figures["held_out/msa_of_parent"] == round(outcome.held_out.msa_old, 4)
    assert "scene 13" in spec.training_data
    assert outcome.n_steps == 4
    assert read_outcome(tmp_path) == outcome
    assert any(
        point.score is not None
        for step in seen
        for point in step.points
        if point.step == 4
    )
    assert (tmp_path / "curve.csv").read_text().count("\n") == 5
    names = [path.name for path in pictures_in(tmp_path)]
    assert names == ["before_after.png", "before_after_base.png"]


def test_with_too_few_cells_to_hold_out_nothing_is_recommended(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    item = items[0]
    few = np.isin(item.labels, item.cell_ids()[:4])
    write_request(tmp_path, request(), [replace(item, valid=few)])
    outcome = run(fine_tune(tmp_path))
    assert outcome.held_out.n_cells == 0
    assert not outcome.is_recommended
    assert read_model_spec(outcome.folder).name == "mine"


def test_nothing_unchecked_reaches_the_loss(items: list[TrainingItem]) -> None:
    sampler = CropSampler(training_images(items, 28.0), {}, 64, 4)
    for step in range(6):
        targets = draw_crops(sampler, 1, step).targets
        assert float(targets.valid.min()) >= 0
    # With nothing checked at all, no pixel of any crop counts.
    blind = [replace(one, valid=np.eye(160, dtype=bool)) for one in items]
    thin = CropSampler(training_images(blind, 28.0), {}, 64, 4)
    targets = draw_crops(thin, 1, 0).targets
    assert float(targets.valid.mean()) < 0.1


def test_the_curve_has_each_step_that_the_checkpoint_has(
    tmp_path: Path, items: list[TrainingItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = FineTuneRun.save

    def saved_and_killed(state: FineTuneRun, folder: Path) -> None:
        save(state, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(FineTuneRun, "save", saved_and_killed)
    write_request(tmp_path, request(), items)
    with pytest.raises(KeyboardInterrupt):
        run(fine_tune(tmp_path))
    rows = (tmp_path / "curve.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["1"]


def test_a_training_that_was_cut_goes_on_and_ends_the_same(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        write_request(folder, request(), items)
    run(fine_tune(whole))
    job = fine_tune(cut)
    for progress in job:
        if progress.done == 2:
            break
    job.close()
    outcome = run(fine_tune(cut))
    assert outcome.n_steps == 4
    name = "model/weights.safetensors"
    assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_stopping_keeps_the_best_so_far(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    write_request(tmp_path, request(replace(OPTIONS, steps=400)), items)
    job = fine_tune(tmp_path)
    while True:
        try:
            progress = next(job)
        except StopIteration as stop:
            outcome = stop.value
            break
        if progress.done == 1:
            (tmp_path / STOP_NAME).touch()
    assert outcome.was_stopped
    assert outcome.n_steps < 10
    assert read_model_spec(outcome.folder).name == "mine"


def test_the_more_is_checked_the_more_steps_are_done(
    tmp_path: Path, items: list[TrainingItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    n_cells = supply_of(items).n_cells
    monkeypatch.setattr(train_options, "STEPS_A_CELL", 6 / n_cells)
    presets = {**train_options.FINE_TUNE_PRESETS, "thorough": (3, 2, 5e-4)}
    monkeypatch.setattr(train_options, "FINE_TUNE_PRESETS", presets)
    options = FineTuneOptions("thorough", crop_px=64)
    assert options.steps_for(0) == 3
    write_request(tmp_path, request(options), items)
    seen: list[TrainProgress] = []
    run(fine_tune(tmp_path), seen.append)  # type: ignore[arg-type]
    assert {step.total for step in seen if step.points} == {6}


def test_a_quick_training_settles_its_steps_once_the_pace_is_known(
    tmp_path: Path, items: list[TrainingItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tune_pace, "FEWEST_STEPS", 12)
    monkeypatch.setattr(train_options, "QUICK_SECONDS", 0.001)
    write_request(tmp_path, request(FineTuneOptions(batch_size=2, crop_px=64)), items)
    seen: list[TrainProgress] = []
    outcome = run(fine_tune(tmp_path), seen.append)  # type: ignore[arg-type]
    assert outcome.n_steps == 12
    totals = [step.total for step in seen if step.points]
    assert totals == [240] * 9 + [12] * 3
    # It was examined at the end, and what was kept is the best of that.
    assert seen[-2].points[-1].score is not None


def test_another_training_does_not_go_on_in_the_same_folder(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    write_request(tmp_path, request(), items)
    write_request(tmp_path, request(), items)
    with pytest.raises(TrainingError, match="holds another training"):
        write_request(tmp_path, request(), items[:1])


def test_too_little_is_told_of(tmp_path: Path) -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[10:20, 10:20] = 1
    item = TrainingItem(np.zeros((1, 64, 64)), labels, labels > 0, "one", "one")
    write_request(tmp_path, request(), [item])
    with pytest.raises(TrainingError, match="There are 1 checked cells"):
        run(fine_tune(tmp_path))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("what", ["no cells", "all ignored"])
def test_nothing_to_learn_is_told_of_and_the_old_model_untouched(
    tmp_path: Path, items: list[TrainingItem], what: str
) -> None:
    before = (find_model(None) / "weights.safetensors").read_bytes()
    nothing = np.zeros_like(items[0].labels)
    changed = {
        "no cells": replace(items[0], labels=nothing),
        "all ignored": replace(items[0], valid=nothing > 0),
    }[what]
    write_request(tmp_path, request(), [changed])
    with pytest.raises(TrainingError, match="There are 0 checked cells"):
        run(fine_tune(tmp_path))
    assert (find_model(None) / "weights.safetensors").read_bytes() == before
    assert not (tmp_path / "model").exists()


def test_a_batch_too_large_for_memory_is_parted(items: list[TrainingItem]) -> None:
    sampler = CropSampler(training_images(items, 28.0), {}, 64, 4)
    crops = draw_crops(sampler, 1, 0)
    torch.manual_seed(1)
    learner = FineTuneRun(
        CellNet((4, 8)), replace(OPTIONS, batch_size=4), torch.device("cpu")
    )
    forward = learner.network.forward

    def limited(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 1:
            torch.empty(10**15)  # no computer has that much, and torch says so
        return forward(x)

    learner.network.forward = limited  # type: ignore[method-assign]
    assert np.isfinite(learner.advance(crops))
    assert learner.step == 1


def test_in_a_batch_that_is_parted_each_known_pixel_counts_alike(
    items: list[TrainingItem],
) -> None:
    sampler = CropSampler(training_images(items, 28.0), {}, 64, 4)
    crops = draw_crops(sampler, 1, 0)
    crops.targets.valid[1:, 8:] = 0
    gradients = []
    for n_crops in (4, 1):
        torch.manual_seed(1)
        options = replace(OPTIONS, batch_size=4)
        learner = FineTuneRun(CellNet((4, 8)), options, torch.device("cpu"))
        learner._part = n_crops
        learner.advance(crops)
        found = [p.grad.flatten() for p in learner.network.parameters()]  # type: ignore[union-attr]
        gradients.append(torch.cat(found))
    # Dice and flow are means of their own, so they are not quite the same.
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_of_few_locked_cells_crops_count_as_those_that_are_replayed(
    items: list[TrainingItem],
) -> None:
    few = [
        replace(item, valid=known_around(item.labels, set(item.cell_ids()[:8])))
        for item in items
    ]
    images = training_images(few, 28.0)
    replayed = replayed_images()
    sampler = CropSampler(
        as_shared(images, replayed, 64), {"yours": 0.7, "replay": 0.3}, 64, 100
    )
    crops = draw_crops(sampler, 1, 0)
    is_replayed = np.array([name.startswith(REPLAYED) for name in crops.names])
    counted = crops.targets.valid.sum((1, 2)).numpy()
    share = counted[~is_replayed].sum() / counted.sum()
    assert 0.6 < share < 0.8


def test_not_even_one_crop_in_memory_is_told_of(items: list[TrainingItem]) -> None:
    sampler = CropSampler(training_images(items, 28.0), {}, 64, 2)
    crops = draw_crops(sampler, 1, 0)
    learner = FineTuneRun(CellNet((4, 8)), OPTIONS, torch.device("cpu"))

    def never(x: torch.Tensor) -> torch.Tensor:
        raise MemoryError

    learner.network.forward = never  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="single crop"):
        learner.advance(crops)


def test_a_loss_that_is_no_number_stops_the_training(
    items: list[TrainingItem],
) -> None:
    sampler = CropSampler(training_images(items, 28.0), {}, 64, 2)
    crops = draw_crops(sampler, 1, 0)
    learner = FineTuneRun(CellNet((4, 8)), OPTIONS, torch.device("cpu"))
    broken = torch.full_like(crops.pixels, torch.nan)
    names = (*crops.names, f"{REPLAYED} 7")
    with pytest.raises(TrainingError, match="step 1 the model lost its way") as raised:
        learner.advance(replace(crops, pixels=broken, names=names))
    # The person can look at images of their own, and do something about the rate.
    assert crops.names[0] in str(raised.value)
    assert REPLAYED not in str(raised.value)
    assert "Lower the learning rate (0." in str(raised.value)


def test_a_full_disk_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = FineTuneRun(CellNet((4, 8)), OPTIONS, torch.device("cpu"))
    learner.save(tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(*_: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(SaveError, match="disk is probably full"):
        learner.save(tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_damaged_checkpoint_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"no pickle")
    learner = FineTuneRun(CellNet((4, 8)), OPTIONS, torch.device("cpu"))
    with pytest.raises(TrainingError, match="is damaged") as told:
        learner.load(tmp_path)
    # What torch says of it advises to read the file without its guard.
    assert "weights_only" not in str(told.value)


@pytest.mark.parametrize(
    ("held_out", "base", "is_better", "word"),
    [
        (replace(SAME, msa_new=0.7), SAME, True, "Better"),
        (SAME, SAME, False, "not better"),
        (replace(SAME, msa_new=0.55), SAME, False, "hardly better"),
        (replace(SAME, msa_new=0.55, n_cells=100), SAME, True, "Better"),
        (replace(SAME, msa_new=0.7, sureness=0.85), SAME, False, "hardly better"),
        (replace(SAME, msa_new=0.9, n_cells=11), SAME, False, "Too few cells to tell"),
        (replace(SAME, msa_new=0.7), replace(SAME, msa_new=0.4), False, "forgotten"),
        (replace(SAME, n_cells=0, msa_new=1.0), SAME, False, "too little"),
    ],
    ids=[
        "better",
        "same",
        "by luck",
        "of many cells",
        "on some images only",
        "of eleven cells",
        "forgets",
        "nobody knows",
    ],
)
def test_a_model_is_recommended_only_where_it_wins_and_does_not_forget(
    held_out: Comparison, base: Comparison, is_better: bool, word: str
) -> None:
    recommended, reason = verdict(held_out, base)
    assert recommended is is_better
    assert word in reason


@pytest.mark.parametrize(
    ("held_out", "words"),
    [
        # A fifth is held out: 9 more need 45, in tens.
        (replace(SAME, n_cells=11), "Check about 50 more cells"),
        # A gain of 0.05 shows from 64 held-out cells on, 24 more than there are.
        (replace(SAME, msa_new=0.55), "Check about 120 more cells, on other images"),
        (replace(SAME, msa_new=0.7, sureness=0.5), "Check about 100 more cells"),
        (replace(SAME, msa_new=0.501), "Count it as no better"),
    ],
    ids=["too few", "small gain", "images differ", "next to nothing"],
)
def test_it_says_how_many_more_cells_would_tell(
    held_out: Comparison, words: str
) -> None:
    assert words in verdict(held_out, SAME, 0.2)[1]


class Scores:
    """An examiner that gives each pair of thresholds the figure that a function says."""

    def __init__(self, score: Callable[[float], float], n_cells: int = 9) -> None:
        self.score, self.n_cells = score, n_cells

    def maps(self, *_: object) -> list[object]:
        return []

    def examine(self, _: object, options: SegmentOptions) -> SimpleNamespace:
        return SimpleNamespace(msa=self.score(options.seed_threshold))


@pytest.mark.parametrize(
    ("held_out", "base", "expected"),
    [
        (Scores(lambda seed: seed), Scores(lambda _: 0.5), 0.8),
        (Scores(lambda seed: 1 - abs(seed - 0.72)), Scores(lambda _: 0.5), 0.8),
        (Scores(lambda seed: float(seed < 0.75)), Scores(lambda _: 0.5), 0.7),
        (Scores(lambda seed: -seed), Scores(lambda _: 0.5), 0.6),
        (Scores(lambda _: 0.5), Scores(lambda seed: -seed), 0.6),
        (Scores(lambda seed: seed, n_cells=0), Scores(lambda _: 0.5), 0.6),
    ],
    ids=[
        "suits all",
        "above the old",
        "not the highest",
        "held out",
        "base",
        "unknown",
    ],
)
def test_thresholds_that_suit_learned_cells_may_not_harm_others(
    held_out: Scores, base: Scores, expected: float
) -> None:
    # On what it has learned a network is sure, and higher is always better.
    judge = SimpleNamespace(
        _learned=Scores(lambda seed: seed),
        _held_out=held_out,
        _base=base,
        _device=None,
        _old_options=SegmentOptions(foreground_threshold=0.5, seed_threshold=0.6),
    )
    assert Judge._tuned(judge, None).seed_threshold == expected  # type: ignore[arg-type]


def test_weights_part_of_the_way_lie_between_old_and_new() -> None:
    old, new = CellNet((4, 8)), CellNet((4, 8))
    new.stem[1].num_batches_tracked += 5
    before, after = old.state_dict(), new.state_dict()
    for name, value in part_way(old, new, 0.75).state_dict().items():
        expected = after[name]
        if value.is_floating_point():
            expected = 0.25 * before[name] + 0.75 * after[name]
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(
    ("lost", "preset", "expected"),
    [
        (0.01, "quick", 1.0),
        (0.025, "quick", 0.75),
        (0.035, "quick", 0.5),
        (0.2, "quick", 1.0),
        (0.025, "from_scratch", 1.0),
    ],
    ids=["forgets nothing", "a little", "more", "nearly all", "nothing to go from"],
)
def test_a_model_that_forgets_goes_part_of_the_way(
    lost: float, preset: str, expected: float
) -> None:
    def compared(_: object, __: object, share: float) -> SimpleNamespace:
        held_out = replace(SAME, msa_new=0.5 + 0.3 * share)
        base = replace(SAME, msa_new=0.5 - lost * share)
        return SimpleNamespace(share=share, held_out=held_out, base=base)

    network = CellNet((4, 8))
    judge = SimpleNamespace(
        old_network=network,
        _compared=compared,
        request=request(FineTuneOptions(preset)),
    )
    new = Judge._best_of_the_way(judge, network, SegmentOptions())  # type: ignore[arg-type]
    assert new.share == expected


def test_how_far_a_model_goes_is_said_and_noted(
    tmp_path: Path, items: list[TrainingItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_request(tmp_path, request(), items)
    # Whatever it learned, it has forgotten more than is allowed; and half of it is fine.
    monkeypatch.setattr(judge_module, "forgets", lambda _: True)
    monkeypatch.setattr(judge_module, "verdict", lambda *_: (True, "Better."))
    outcome = run(fine_tune(tmp_path))
    assert outcome.share == 0.75
    assert "three quarters of the way" in outcome.reason
    assert read_outcome(tmp_path) == outcome
    assert read_model_spec(outcome.folder).command.endswith(", 0.75 of the way")


def test_each_image_weighs_the_same() -> None:
    def found(*aps: float) -> Examination:
        values = np.array([[ap, ap] for ap in aps])
        nothing = np.zeros((2, 2))
        return Examination(np.zeros(0, bool), nothing.astype(int), values, nothing)

    seen = compare(found(0.2, 1.0), found(0.4, 1.0))
    assert (seen.msa_old, seen.msa_new) == pytest.approx((0.6, 0.7))


def test_too_many_cells_here_do_not_make_up_for_too_few_there() -> None:
    counts = np.array([[10, 15], [30, 25]])
    nothing = np.zeros((2, 2))
    found = Examination(np.zeros(40, bool), counts, nothing, nothing)
    assert found.count_error == pytest.approx((5 / 10 + 5 / 30) / 2)


def test_a_picture_shows_where_old_and_new_differ_most() -> None:
    old = np.zeros((2000, 300), np.int32)
    new = old.copy()
    new[1500:1520, 40:60] = 1
    rows, columns = most_changed(old, new)
    assert rows.start <= 1500 < 1520 <= rows.stop
    assert (rows.stop - rows.start, columns) == (512, slice(0, 300))


def test_planes_of_one_image_are_one_image(items: list[TrainingItem]) -> None:
    spec = read_model_spec(find_model(None))
    planes = [replace(items[0], name="stack", group="stack")] * 3
    assert Examiner([*planes, items[1]], spec).owners == [0, 0, 0, 1]


def test_a_model_knows_what_was_held_out_of_its_training(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_request(first, request(), items)
    model = run(fine_tune(first)).folder
    spec = read_model_spec(model)
    assert len(spec.sides) == 2
    assert "scene" not in str(spec.sides)
    more = [scene_item(seed) for seed in (26, 32, 7)]
    write_request(second, replace(request(), model=str(model)), [*items, *more])
    sides = read_model_spec(run(fine_tune(second)).folder).sides
    assert {key: sides[key] for key in spec.sides} == spec.sides
    assert len(sides) == 5


def test_a_training_that_goes_on_holds_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = [scene_item(seed) for seed in (13, 25, 26, 32, 4, 7)]
    write_request(tmp_path, request(), several)
    first = Judge.of(tmp_path)
    # Another device rounds otherwise, and ranks other images first.
    wrong = iter(range(6))
    monkeypatch.setattr(
        Splitter, "_errors_on", lambda *_: ItemErrors(float(next(wrong)), 0.0)
    )
    again = Judge.of(tmp_path)
    assert [i.name for i in again.learned] == [i.name for i in first.learned]


def test_a_training_of_which_nobody_knows_what_it_held_out_does_not_go_on(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    write_request(tmp_path, request(), items)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(TrainingError, match=r"does not say what.*Start a new training"):
        Judge.of(tmp_path)


def test_of_a_training_that_only_did_harm_it_is_said_that_the_old_model_is_left(
    tmp_path: Path, items: list[TrainingItem], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "bar", 2.0)
    write_request(tmp_path, request(), items)
    outcome = run(fine_tune(tmp_path))
    assert not outcome.is_recommended
    assert outcome.held_out.n_cells
    assert "only made the model worse" in outcome.reason


def test_a_training_that_was_stopped_at_once_says_so() -> None:
    assert "after 7 steps" in nothing_kept(7, 30)
    assert "worse" in nothing_kept(30, 30)


@pytest.mark.parametrize(
    ("loss", "is_kept"), [(0.5, True), (1.5, False)], ids=["by luck", "for sure"]
)
def test_what_was_learned_is_compared_unless_it_is_surely_worse(
    loss: float, is_kept: bool
) -> None:
    held_out = SimpleNamespace(n_cells=64)
    judge = SimpleNamespace(old_held=SimpleNamespace(msa=0.6), _held_out=held_out)
    learner = FineTuneRun(CellNet((4, 8)), OPTIONS, torch.device("cpu"))
    learner.note_score(Judge.bar.fget(judge))  # type: ignore[attr-defined]
    learner.step = 30
    learner.note_score(0.6 - loss * luck_of(64))
    assert (learner.best_step == 30) is is_kept


@pytest.mark.parametrize(
    ("held_out", "split", "is_better", "word"),
    [
        (replace(SAME, msa_old=0.95), Split([], [], {}), False, "leave no room"),
        (SAME, Split([], [], {}, 4), False, "learned from 4 of these 40 cells"),
        (SAME, Split([], [], {}, 0, "b.tif"), False, "wrong most often on 'b.tif'"),
    ],
    ids=["no room", "not unseen", "what next"],
)
def test_it_is_told_why_nothing_could_be_won_and_what_to_correct(
    held_out: Comparison, split: Split, is_better: bool, word: str
) -> None:
    assert word in advice(held_out, split, FineTuneOptions(), is_better=is_better)


def test_of_a_model_that_wins_nothing_more_is_said() -> None:
    better, split = replace(SAME, msa_new=0.9), Split([], [], {}, 0, "b.tif")
    assert advice(better, split, FineTuneOptions(), is_better=True) == ""


@pytest.mark.parametrize(
    ("preset", "ap50", "is_said"),
    [("quick", 0.1, True), ("quick", 0.5, False), ("thorough", 0.1, False)],
)
def test_a_quick_training_is_called_too_short_for_a_new_kind_of_cells(
    preset: str, ap50: float, is_said: bool
) -> None:
    held_out, split = replace(SAME, ap50_old=ap50), Split([], [], {})
    words = advice(held_out, split, FineTuneOptions(preset), is_better=True)
    assert ("train 'thorough'" in words) is is_said


def test_steps_that_come_at_once_are_told_as_one_with_every_point(
    tmp_path: Path,
) -> None:
    lines = [
        {
            "kind": "progress",
            "progress": [n, 3, f"step {n}"],
            "points": [[n, 0.5, None]],
        }
        for n in (1, 2, 3)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    (step,) = ChildTrainer(None, "mine", "Mine")._followed(None, tmp_path)
    assert (step.done, step.message) == (3, "step 3")
    assert [point.step for point in step.points] == [1, 2, 3]


def ended_process(*_: object) -> subprocess.Popen[bytes]:
    """Return a process that has ended without a word."""
    return subprocess.Popen([sys.executable, "-c", ""])


def test_a_stop_from_before_the_process_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = ChildTrainer(None, "mine", "Mine")
    monkeypatch.setattr(trainer, "_started", ended_process)
    trainer.stop()
    with pytest.raises(TrainingError, match="can go on"):
        run(trainer.go_on(tmp_path))
    assert (tmp_path / STOP_NAME).exists()


def test_a_process_that_could_not_even_say_that_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = ChildTrainer(None, "mine", "Mine")
    monkeypatch.setattr(trainer, "_started", ended_process)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(TrainingError, match=r"disk of .* is full"):
        run(trainer.go_on(tmp_path))


@pytest.mark.slow
def test_a_killed_training_process_goes_on_from_its_checkpoint(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    options = replace(OPTIONS, steps=24)
    trainer = ChildTrainer(None, "mine", "Mine", "cpu")
    job = trainer.train(items, options, tmp_path)
    for progress in job:
        if progress.done >= 4:
            break
    assert trainer._process is not None
    trainer._process.send_signal(signal.SIGKILL)
    with pytest.raises(TrainingError, match="can go on from where it last saved"):
        run(job)
    first = min(
        step.done
        for step in ChildTrainer(None, "mine", "Mine", "cpu").train(
            items, options, tmp_path
        )
        if step.total == 24
    )
    assert first > 3
    assert read_outcome(tmp_path) is not None


@pytest.mark.slow
def test_a_training_ends_with_the_window_unless_it_is_let_alone(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    write_request(tmp_path, request(replace(OPTIONS, steps=4000)), items)
    program = (
        "import sys, pathlib, os\n"
        "from napari_cellseg.nn.process.child_trainer import ChildTrainer\n"
        "job = ChildTrainer(None, 'mine', 'Mine', 'cpu').go_on(pathlib.Path(sys.argv[1]))\n"
        "next(step for step in job if step.done > 1)\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    log = tmp_path / "log.jsonl"
    deadline = time.monotonic() + 60
    size = -1
    while log.stat().st_size != size and time.monotonic() < deadline:
        size = log.stat().st_size
        time.sleep(3)
    assert log.stat().st_size == size
    assert read_outcome(tmp_path) is None


@pytest.mark.slow
def test_a_training_that_is_let_alone_ends_without_its_window(
    tmp_path: Path, items: list[TrainingItem]
) -> None:
    write_request(tmp_path, request(replace(OPTIONS, steps=6)), items)
    program = (
        "import sys, pathlib, os\n"
        "from napari_cellseg.nn.process.child_trainer import ChildTrainer\n"
        "trainer = ChildTrainer(None, 'mine', 'Mine', 'cpu')\n"
        "job = trainer.go_on(pathlib.Path(sys.argv[1]))\n"
        "next(step for step in job if step.done > 1)\n"
        "assert trainer.leave_alone()\n"
        "job.close()\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert is_running(tmp_path)
    # Another window follows it to its end.
    outcome = run(ChildTrainer(None, "mine", "Mine", "cpu").go_on(tmp_path))
    assert outcome.n_steps == 6
    assert read_outcome(tmp_path) == outcome
