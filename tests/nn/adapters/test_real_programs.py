"""The adapters against the real packages, in environments that have them.

``python benchmarks/peers.py --env FOLDER`` makes such an environment; then
``FOLDER/bin/python -m pytest tests/nn/adapters/test_real_programs.py``. Random weights:
what is tested is that their answers arrive here unchanged.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_cellseg.core.errors import ModelError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.options import SegmentOptions
from napari_cellseg.core.synthetic import sample_image
from napari_cellseg.core.types import CellImage, SegmentationResult
from napari_cellseg.engines import open_segmenter
from napari_cellseg.nn.adapters import OFFERS

EVERYTHING = SegmentOptions(min_area_px=0)
VERSIONS = {offer.key: offer.version for offer in OFFERS}


def needs(key: str, series: str = "") -> pytest.MarkDecorator:
    version = VERSIONS[key]
    return pytest.mark.skipif(
        not version.startswith(series or "") or not version,
        reason=f"{key} {series} is not installed here (found: {version or 'none'})",
    )


@pytest.fixture
def nuclei() -> CellImage:
    plane = np.asarray(sample_image("nuclei").data)[:, :160, :192]
    return CellImage(np.ascontiguousarray(plane), name="nuclei")


def result_of(
    name: str, image: CellImage, *, in_child: bool = False
) -> SegmentationResult:
    segmenter = open_segmenter(model=name, device="cpu", in_child=in_child)
    try:
        return run(segmenter.segment(image, EVERYTHING))
    finally:
        segmenter.close()


def check(result: SegmentationResult, theirs: np.ndarray) -> None:
    """The same cells, some at least, numbered from 1 without gaps."""
    assert theirs.max() > 1
    assert result.labels.dtype == np.int32
    np.testing.assert_array_equal(result.labels > 0, theirs > 0)
    assert np.unique(result.labels[result.labels > 0]).tolist() == [
        *range(1, result.n_cells + 1)
    ]
    pairs = np.unique(np.stack([result.labels, theirs])[:, theirs > 0], axis=1)
    assert pairs.shape[1] == result.n_cells
    assert ((result.confidence >= 0) & (result.confidence <= 1)).all()
    assert len(result.model_digest) == 64


@needs("cellpose", "3.")
@pytest.mark.parametrize("in_child", [False, True], ids=["here", "in a child"])
def test_cellpose_3(tmp_path: Path, nuclei: CellImage, in_child: bool) -> None:
    from cellpose.models import CellposeModel
    from cellpose.resnet_torch import CPnet

    torch.manual_seed(1)
    path = tmp_path / "own_model"
    CPnet([2, 32, 64, 128, 256], 3, sz=3, diam_mean=30.0).save_model(str(path))
    model = CellposeModel(gpu=False, pretrained_model=str(path))
    theirs = model.eval(nuclei.plane()[0], channels=[0, 0])[0]
    check(
        result_of(f"cellpose:{path}", nuclei, in_child=in_child),
        theirs.astype(np.int64),
    )


@needs("cellpose", "4.")
def test_cellpose_4(tmp_path: Path, nuclei: CellImage) -> None:
    from cellpose.models import CellposeModel
    from cellpose.vit import CPSAM

    # Random answers hold no cell; this network sees one in each of its patches of 8 px.
    network = CPSAM()
    y, x = np.mgrid[-3.5:4, -3.5:4]
    to_middle = -np.stack([y, x]) / np.maximum(np.hypot(y, x), 1)
    is_cell = np.where(np.maximum(abs(y), abs(x)) < 3, 4.0, -4.0)
    answer = np.concatenate([5 * to_middle, is_cell[None]])
    network.out.weight.data.zero_()
    network.out.bias.data = torch.tensor(answer.ravel(), dtype=torch.float32)
    path = tmp_path / "own_model"
    network.save_model(str(path))
    theirs = CellposeModel(gpu=False, pretrained_model=str(path)).eval(
        nuclei.plane()[0]
    )[0]
    check(result_of(f"cellpose:{path}", nuclei), theirs.astype(np.int64))


@needs("cellpose", "4.")
def test_cellpose_4_says_what_is_wrong_with_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "no_weights"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match="Cellpose 4"):
        open_segmenter(model=f"cellpose:{path}", device="cpu")


@needs("stardist")
def test_stardist(tmp_path: Path, nuclei: CellImage) -> None:
    from csbdeep.utils import normalize
    from stardist.models import Config2D, StarDist2D

    config = Config2D(
        n_rays=8, grid=(2, 2), unet_n_filter_base=8, net_conv_after_unet=16
    )
    model = StarDist2D(config, "own", str(tmp_path))
    model.keras_model.save_weights(str(tmp_path / "own" / "weights_best.h5"))
    theirs, details = model.predict_instances(
        normalize(nuclei.plane()[0].astype(np.float32), 1, 99.8), prob_thresh=0.45
    )
    segmenter = open_segmenter(model=f"stardist:{tmp_path / 'own'}", device="cpu")
    options = SegmentOptions(min_area_px=0, foreground_threshold=0.45)
    result = run(segmenter.segment(nuclei, options))
    check(result, theirs)
    present = np.unique(theirs[theirs > 0]) - 1
    np.testing.assert_allclose(result.confidence, details["prob"][present], atol=1e-5)


@needs("instanseg")
def test_instanseg(tmp_path: Path, nuclei: CellImage) -> None:
    from instanseg import InstanSeg
    from instanseg.utils.loss.instanseg_loss import InstanSeg as Loss
    from instanseg.utils.loss.instanseg_loss import InstanSeg_Torchscript
    from instanseg.utils.models.InstanSeg_UNet import InstanSeg_UNet

    torch.manual_seed(1)
    net = InstanSeg_UNet(1, [[2, 2, 1]], layers=[32, 16, 8]).eval()
    loss = Loss(n_sigma=2, device="cpu", dim_coords=2, dim_seeds=1)
    net = loss.initialize_pixel_classifier(net, MLP_width=5)
    exported = InstanSeg_Torchscript(
        net, pixel_size=0.5, n_sigma=2, dim_coords=2, dim_seeds=1, backbone_dim_in=1,
        params={"seed_threshold": 0.4, "mask_threshold": 0.4, "mean_threshold": -10.0},
    )  # fmt: skip
    torch.jit.script(exported).save(str(tmp_path / "instanseg.pt"))
    model = InstanSeg(str(tmp_path), device="cpu", verbosity=0)
    theirs = model.eval_small_image(
        nuclei.plane().astype(np.float32), return_image_tensor=False
    )
    check(result_of(f"instanseg:{tmp_path}", nuclei), theirs.numpy()[0, -1].astype(int))
