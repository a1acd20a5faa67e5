"""Mask and probability beside the labels: the same through every door, on real images."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.servers import TOKEN, http, serving
from typer.testing import CliRunner

from napari_cellseg.cli.main import app
from napari_cellseg.io.datasets.dataset import pairs_in_folder
from napari_cellseg.io.reading.images import read_image

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def nuclei(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real image of nuclei that is as others upload it."""
    sample = next(iter(pairs_in_folder(shared_data / "dsb2018")))
    plane = np.asarray(read_image(sample.image_path).plane()[0])
    path = tmp_path_factory.mktemp("real") / "nuclei.tif"
    tifffile.imwrite(path, plane, photometric="minisblack")
    return path


@pytest.fixture(scope="module")
def local(nuclei: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Segment on this computer and return the folder of the results."""
    return segmented(nuclei, tmp_path_factory.mktemp("here"))


def segmented(image: Path, out: Path, *flags: str) -> Path:
    words = ["segment", str(image), "--out", str(out), "--save-mask"]
    result = CliRunner().invoke(app, [*words, "--save-probability", *flags])
    assert result.exit_code == 0, result.output
    return out


def pixels(folder: Path, what: str) -> np.ndarray:
    return tifffile.imread(folder / f"nuclei_{what}.tif")


def test_the_mask_covers_the_cells_and_little_else(local: Path) -> None:
    labels, mask = pixels(local, "labels"), pixels(local, "mask")
    assert labels.max() > 3
    assert set(np.unique(mask)) == {0, 255}
    both = ((labels > 0) & (mask > 0)).sum()
    assert both / (mask > 0).sum() > 0.9
    assert both / (labels > 0).sum() > 0.9


def test_the_probability_is_high_on_cells_and_low_beside_them(local: Path) -> None:
    labels, seen = pixels(local, "labels"), pixels(local, "probability")
    assert seen.dtype == np.uint8
    assert seen.shape == labels.shape
    assert seen[labels > 0].mean() > 200
    assert seen[labels == 0].mean() < 40


def test_a_server_sees_what_this_computer_sees(
    server: str, nuclei: Path, local: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("CELLSEG_TOKEN", TOKEN)
    there = segmented(nuclei, tmp_path / "there", "--where", server)
    for what in ("labels", "mask", "probability"):
        np.testing.assert_array_equal(pixels(there, what), pixels(local, what))


@pytest.mark.parametrize("what", ["mask", "probability"])
@pytest.mark.parametrize("door", ["/invocations", "/endpoints/cells/invocations"])
def test_a_client_of_others_asks_for_it_in_the_header(
    server: str, nuclei: Path, local: Path, what: str, door: str
) -> None:
    accept = f"image/tiff;show={what}"
    answer = http(
        "POST", server + door, nuclei.read_bytes(), Accept=accept,
        X_Amzn_SageMaker_Accept=accept, Content_Type="image/tiff",
        Authorization=f"Bearer {TOKEN}",
    )  # fmt: skip
    assert answer.status == 200, answer.data[:300]
    found = tifffile.imread(io.BytesIO(answer.data))
    np.testing.assert_array_equal(np.squeeze(found), pixels(local, what))
