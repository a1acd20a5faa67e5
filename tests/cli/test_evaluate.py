"""Figures against true labels from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from fakes import FakeSegmenter
from napari_cellseg import engines
from napari_cellseg.cli.main import app
from napari_cellseg.core.errors import ImageReadError, OptionsError

runner = CliRunner()


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two cells, of which the fake segmenter finds one."""
    labels = np.zeros((20, 20), np.uint16)
    labels[2:8, 2:8] = 1
    labels[12:18, 12:18] = 2
    for name, array in (("images", np.where(labels == 1, 200, 0)), ("masks", labels)):
        (tmp_path / "set" / name).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "set" / name / "a.tif", array.astype(np.uint16))
    monkeypatch.setattr(engines, "open_segmenter", lambda *_, **__: FakeSegmenter())
    return tmp_path / "set"


def test_half_of_the_cells_found_is_an_ap_of_one_half(labelled: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(labelled)])

    assert result.exit_code == 0, result.output
    figures = result.output.splitlines()[-1].split()
    assert figures[:4] == ["all", "1", "2", "1"]
    assert float(figures[4]) == 0.5


def test_images_and_masks_that_stand_alone_are_told_of(labelled: Path) -> None:
    folders = [labelled / "images", labelled / "masks"]
    (folders[1] / "a.tif").rename(folders[1] / "a.ome.tif")  # one ending
    for folder, name in zip(folders, ("b.tif", "c.tif"), strict=True):
        tifffile.imwrite(folder / name, np.zeros((20, 20), np.uint16))

    result = runner.invoke(app, ["evaluate", str(labelled)])

    assert "1 images have no mask and are left out (b.tif)" in result.output
    assert "1 masks have no image and are left out (c.tif)" in result.output


def test_a_folder_without_pairs_is_refused(labelled: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(labelled / "images")])

    assert isinstance(result.exception, ImageReadError)
    assert "cellseg dataset import" in str(result.exception)


def test_a_folder_that_is_not_there_is_named(labelled: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(labelled / "nothing")])

    assert "There is no" in str(result.exception)


def test_nuclei_on_a_channel_of_their_own_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []

    class Looking(FakeSegmenter):
        def segment(self, image, options):  # type: ignore[no-untyped-def]
            seen.append((image.n_channels, options.channel, options.nuclei_channel))
            seen.append(tuple(int(plane.max()) for plane in image.data))
            return super().segment(image, options)

    monkeypatch.setattr(engines, "open_segmenter", lambda *_, **__: Looking())
    labels = np.zeros((20, 20), np.uint16)
    labels[2:8, 2:8] = 1
    pixels = np.stack([labels * 10, labels * 20, labels * 30])
    for name, array, axes in (("images", pixels, "CYX"), ("masks", labels, "YX")):
        (tmp_path / name).mkdir()
        tifffile.imwrite(
            tmp_path / name / "a.tif", array, imagej=True, metadata={"axes": axes}
        )

    result = runner.invoke(
        app, ["evaluate", str(tmp_path), "--channel", "2", "--nuclei-channel", "0"]
    )

    assert result.exit_code == 0, result.output
    assert seen == [(2, 0, 1), (30, 10)]


def test_nuclei_without_cells_are_refused(labelled: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(labelled), "--nuclei-channel", "0"])

    assert isinstance(result.exception, OptionsError)
    assert "that of the cells not given" in str(result.exception)
