"""A connection that breaks in the middle of an image: said in the dock, and taken up again."""

import http.server
import threading

import pytest
import urllib3
from qtpy.QtCore import Qt
from tests.servers import TOKEN, serving

from napari_cellseg.cloud.client import kept, remote
from napari_cellseg.core.run_place import RunPlace
from napari_cellseg.core.synthetic import random_scene
from napari_cellseg.widgets.main import CellSegmentationWidget

pytest.importorskip("starlette", reason="the extra 'serve' is not installed")
DROPPED = ("host", "content-length", "transfer-encoding", "connection")


class Door(http.server.BaseHTTPRequestHandler):
    """Passes requests on to a server, until it breaks them off."""

    protocol_version = "HTTP/1.1"
    target = ""
    n_passed = 0
    breaks_after = 10**9

    def do_GET(self):
        self._pass_on("GET", None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).n_passed += 1
        if self.n_passed > self.breaks_after:
            self.close_connection = True
            return
        self._pass_on("POST", body)

    def _pass_on(self, method, body):
        names = {k: v for k, v in self.headers.items() if k.lower() not in DROPPED}
        answer = urllib3.request(
            method, self.target + self.path, body=body, headers=names, retries=False
        )
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in DROPPED:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def door():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_a_run_that_broke_goes_on_from_the_tiles_that_arrived(
    make_napari_viewer, qtbot, door, tmp_path, monkeypatch
):
    monkeypatch.setattr(kept, "user_cache_path", lambda _name: tmp_path)
    # Larger planes go in tiles; this one would take long to draw at such a size.
    monkeypatch.setattr(remote, "MAPS_PIXELS", 1000 * 1000)
    viewer = make_napari_viewer()
    dock = CellSegmentationWidget(viewer)
    viewer.window.add_dock_widget(dock)
    viewer.add_image(random_scene(13, (1300, 1300)).image.plane()[0])
    try:
        with serving() as address:
            monkeypatch.setattr(Door, "target", address)
            dock.segment.place.use(RunPlace(door, TOKEN))
            qtbot.waitUntil(
                lambda: not dock.segment.place.current.is_here, timeout=120_000
            )
            # The question for the size, and two tiles.
            monkeypatch.setattr(Door, "n_passed", 0)
            monkeypatch.setattr(Door, "breaks_after", 3)
            press(dock, qtbot)
            assert dock.task.state == "failed"
            assert (
                "tiles have arrived and are kept: segment again"
                in dock.footer.line.text()
            )

            monkeypatch.setattr(Door, "breaks_after", 10**9)
            sent_before = Door.n_passed
            press(dock, qtbot)
            assert dock.task.state == "done"
            assert Door.n_passed - sent_before < len(list_tiles())
    finally:
        dock.release()


def list_tiles():
    """Return the tiles of the image, and the question for the size."""
    from napari_cellseg.core.segmentation.tiling import plan_tiles

    return [None, *plan_tiles((1300, 1300))]


def press(dock, qtbot):
    """Press Segment, and wait for the end."""
    qtbot.mouseClick(dock.footer.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.task.is_running, timeout=20_000)
    qtbot.waitUntil(lambda: not dock.task.is_running, timeout=240_000)
