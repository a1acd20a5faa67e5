"""Showing the dock loads nothing heavy into napari."""

import subprocess
import sys

CODE = """
import sys
import napari
viewer = napari.Viewer(show=False)
before = set(sys.modules)
from napari_cellseg.widgets.main import CellSegmentationWidget
dock = CellSegmentationWidget(viewer)
viewer.window.add_dock_widget(dock)
print(*{name.split('.')[0] for name in set(sys.modules) - before})
dock.release()
viewer.close()
"""


def test_showing_the_dock_loads_no_torch_boto3_or_dask():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()).isdisjoint({"torch", "boto3", "botocore", "dask"})
