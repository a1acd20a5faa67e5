"""Other programs behind our `Segmenter`, against packages that look like theirs."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.core.errors import ModelError, SegmentationError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.types import CellImage
from napari_cellseg.engines import list_models, open_segmenter, open_trainer
from napari_cellseg.nn.adapters import adapter_specs, missing_programs, open_adapter
from napari_cellseg.nn.adapters.cellpose import CELLPOSE
from napari_cellseg.nn.adapters.offers import Offer
from nn.adapters.stand_ins import FILES, write_stand_ins

TOPS = {name.split("/")[0] for name in FILES}
NAMES = [
    "cellpose:cpsam_v2",
    "stardist:2D_versatile_fluo",
    "instanseg:single_channel_nuclei",
]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write_stand_ins(tmp_path)
    held = {
        name: sys.modules.pop(name) for name in list(sys.modules) if _is_theirs(name)
    }
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv(
        "PYTHONPATH",
        f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"
        if "PYTHONPATH" in os.environ
        else str(tmp_path),
    )
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if _is_theirs(name)]:
        del sys.modules[name]
    sys.modules.update(held)


def _is_theirs(name: str) -> bool:
    return name.split(".")[0] in TOPS


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Offer, "version", property(lambda self: ""))


def two_squares() -> CellImage:
    plane = np.zeros((1, 40, 50), np.uint16)
    plane[0, 4:14, 5:15] = 1000
    plane[0, 20:36, 25:41] = 800
    return CellImage(plane, name="squares")


@pytest.mark.usefixtures("absent")
def test_without_other_programs_the_menu_says_what_to_install() -> None:
    assert adapter_specs() == []
    assert [title for title, _ in missing_programs()] == [
        "Cellpose",
        "StarDist",
        "InstanSeg",
    ]
    assert all("pip install" in install for _, install in missing_programs())
    with pytest.raises(ModelError, match="pip install cellpose"):
        open_segmenter(model="cellpose:cyto3")
    with pytest.raises(ModelError, match="pip install cellpose"):
        open_segmenter(model="cellpose:cyto3", in_child=True)


@pytest.mark.usefixtures("installed")
def test_their_models_come_after_ours_with_their_licence() -> None:
    names = [spec.name for spec in list_models()]
    assert names[0] == "cells-general"
    assert set(NAMES) <= set(names)
    assert all(spec.licence and spec.description for spec in list_models())
    assert "not for commercial use" in next(
        spec.licence for spec in list_models() if spec.name == "cellpose:cpsam_v2"
    )


@pytest.mark.usefixtures("installed")
def test_listing_imports_none_of_them() -> None:
    script = (
        "import sys\n"
        "from napari_cellseg.engines import list_models\n"
        "names = [spec.name for spec in list_models()]\n"
        "assert 'cellpose:cpsam_v2' in names, names\n"
        f"print(sorted(set(sys.modules) & {TOPS | {'torch'}!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", NAMES)
def test_each_gives_a_result_of_ours(name: str) -> None:
    segmenter = open_adapter(name, "cpu")
    result = run(segmenter.segment(two_squares(), SegmentOptions()))
    assert np.bincount(result.labels.ravel()).tolist() == [2000 - 100 - 256, 100, 256]
    assert result.labels.dtype == np.int32
    assert ((result.confidence > 0.49) & (result.confidence <= 1)).all()
    assert result.model_name == segmenter.spec.name == name
    assert result.maps == ()


@pytest.mark.usefixtures("installed")
def test_it_runs_in_the_segmentation_process() -> None:
    segmenter = open_segmenter(model=NAMES[0], in_child=True, device="cpu")
    try:
        result = run(segmenter.segment(two_squares(), SegmentOptions(min_area_px=150)))
    finally:
        segmenter.close()
    assert result.n_cells == 1
    assert "cellpose" not in sys.modules


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", NAMES)
def test_planes_of_a_stack_are_joined(name: str) -> None:
    plane = two_squares().plane()
    stack = CellImage(np.stack([plane, plane], axis=1), "CZYX")
    result = run(open_adapter(name).segment(stack, SegmentOptions()))
    assert result.axes == "ZYX"
    assert result.n_cells == int(result.labels.max()) > 0
    np.testing.assert_array_equal(result.labels[0], result.labels[1])


@pytest.mark.usefixtures("installed")
def test_planes_of_a_stack_get_ids_of_their_own() -> None:
    plane = two_squares().plane()
    stack = CellImage(np.stack([plane, plane], axis=1), "CZYX")
    options = SegmentOptions(join_planes=False)
    result = run(open_adapter(NAMES[0]).segment(stack, options))
    assert [np.unique(part).tolist() for part in result.labels] == [
        [0, 1, 2],
        [0, 3, 4],
    ]


@pytest.mark.usefixtures("installed")
def test_what_they_raise_is_one_sentence_of_ours(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"Cellpose 4\.2\.0 could not load .* no weights"
    ):
        open_adapter("cellpose:broken")
    with pytest.raises(SegmentationError, match="stopped: thirteen") as caught:
        run(
            open_adapter(NAMES[0]).segment(
                two_squares(), SegmentOptions(diameter_px=13)
            )
        )
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="StarDist has no model 'nothing'"):
        open_adapter("stardist:nothing")


@pytest.mark.usefixtures("installed")
def test_their_chatter_does_not_reach_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_adapter(NAMES[0])
    assert capsys.readouterr().out == ""


def test_their_models_do_not_learn_here() -> None:
    with pytest.raises(ModelError, match="another program and cannot learn"):
        open_trainer("cellpose:cyto3", "mine", "Mine")


def test_a_folder_of_that_name_is_no_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert replace(CELLPOSE, module="only_a_folder").version == ""
