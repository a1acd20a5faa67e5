"""napari closes at once, whatever runs."""

import subprocess
import sys
import time

import pytest

CODE = """
import sys, time
sys.path.insert(0, {root!r})
import napari
import numpy as np
from qtpy.QtCore import QTimer
from napari_cellseg.core.jobs import Progress
from napari_cellseg.widgets.main import CellSegmentationWidget
from tests.fakes import FakeEngine

class Stubborn(FakeEngine):
    def open_segmenter(self, model):
        def segment(image, options):
            yield Progress(0, 1)
            {body}
        self.segmenter.segment = segment
        return self.segmenter

viewer = napari.Viewer(show=True)
dock = CellSegmentationWidget(viewer, Stubborn())
viewer.window.add_dock_widget(dock)
viewer.add_image(np.random.random((60, 60)))
QTimer.singleShot(300, dock.start)
QTimer.singleShot(1500, lambda: print("closing", time.time(), flush=True))
QTimer.singleShot(1500, viewer.close)
napari.run()
"""

BODIES = {
    "endless": "while True: yield Progress(0, 1)",
    "deaf": "time.sleep(600)",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_process_ends_while_a_job_runs(body, pytestconfig):
    code = CODE.format(root=str(pytestconfig.rootpath), body=body)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    ended = time.time()
    assert done.returncode == 0, done.stderr[-2000:]
    closing = float(done.stdout.split("closing")[1])
    # Neither job ends by itself; a busy computer takes some seconds to close a window.
    assert ended - closing < 60
