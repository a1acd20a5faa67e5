"""napari finds and opens what the manifest names."""

from pathlib import Path

import npe2
import pytest

MANIFEST = Path(__file__).parents[2] / "src" / "napari_cellseg" / "napari.yaml"


@pytest.fixture
def plugin(npe2pm):
    npe2pm.register(npe2.PluginManifest.from_file(MANIFEST))
    return npe2pm


def test_napari_builds_the_dock(plugin, make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy()
    _, dock = viewer.window.add_plugin_dock_widget(
        "napari-cellseg", "Cell segmentation"
    )
    assert type(dock).__name__ == "CellSegmentationWidget"
    viewer.add_image(__import__("numpy").zeros((20, 20)))
    assert dock.session.image is not None
    dock.release()


@pytest.mark.parametrize(
    "name", ["nuclei", "two_channels", "phase_contrast", "histology"]
)
def test_samples_open_as_one_choice(plugin, make_napari_viewer, name):
    from napari_cellseg.widgets.canvas.layer_images import image_choices, read_choice

    viewer = make_napari_viewer()
    viewer.open_sample("napari-cellseg", name)
    (choice,) = image_choices(viewer.layers)
    image = read_choice(choice)
    assert image.labels_shape == (512, 512)
    assert (image.pixel_size is not None) == (name in ("nuclei", "two_channels"))


def test_labels_are_saved_by_our_writer(plugin, make_napari_viewer, tmp_path):
    import numpy as np

    from napari_cellseg.io.reading.images import read_labels

    viewer = make_napari_viewer()
    layer = viewer.add_labels(
        np.full((20, 20), 70_000, np.int32), scale=(0.5, 0.5), units=("um", "um")
    )
    (path,) = layer.save(str(tmp_path / "cells.tif"), plugin="napari-cellseg")
    labels, size = read_labels(path)
    assert labels.max() == 70_000
    assert size.x_um == 0.5
