"""laptrack's links on cells whose tracks are known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from tests.moving_cells import frame_by_frame, moving_cells, same_cells

from napari_cellseg import tracking_child
from napari_cellseg.core.errors import TrackingError
from napari_cellseg.core.jobs import run
from napari_cellseg.core.track_options import TrackOptions
from napari_cellseg.core.tracking.tracks import find_detections, lineage_of, relabelled
from napari_cellseg.tracking import link_cells
from napari_cellseg.tracking_child import link_in_child


def tracked(labels, options=None, **more):
    pytest.importorskip("laptrack", reason="the extra 'tracks' is not installed")
    detections = find_detections(labels)
    links = link_cells(detections, options or TrackOptions(), **more)
    lineage = lineage_of(detections, links)
    return relabelled(labels, detections, lineage), lineage.parents


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_moving_and_dividing_cells_are_followed(seed):
    truth, parents = moving_cells(seed=seed)

    labels, found = tracked(frame_by_frame(truth))

    ids = same_cells(labels, truth)
    assert found == {ids[child]: ids[mother] for child, mother in parents.items()}


def test_a_cell_that_was_missed_on_one_frame_goes_on():
    truth, _ = moving_cells()
    truth[2][truth[2] == 2] = 0

    labels, _ = tracked(frame_by_frame(truth))

    assert same_cells(labels, truth)


def test_without_gaps_a_missed_cell_is_another_one_afterwards():
    truth, _ = moving_cells()
    truth[2][truth[2] == 2] = 0

    labels, _ = tracked(frame_by_frame(truth), TrackOptions(max_gap_frames=0))

    assert len(np.unique(labels)) == len(np.unique(truth)) + 1


def test_without_divisions_nobody_has_a_mother():
    truth, _ = moving_cells()

    _, parents = tracked(frame_by_frame(truth), TrackOptions(divisions=False))

    assert parents == {}


def test_a_cell_goes_no_farther_than_the_longest_step():
    labels = np.zeros((2, 20, 60), np.int32)
    labels[0, 5:15, 5:15], labels[1, 5:15, 25:35] = 1, 2

    near, _ = tracked(labels, TrackOptions(max_step_px=15))
    far, _ = tracked(labels, TrackOptions(max_step_px=25))

    assert len(np.unique(near)) == 3
    assert len(np.unique(far)) == 2


def test_links_that_are_known_stay():
    labels = np.zeros((2, 20, 60), np.int32)
    labels[0, 5:15, 5:15], labels[0, 5:15, 30:40] = 1, 2
    labels[1, 5:15, 6:16], labels[1, 5:15, 31:41] = 3, 4

    links = link_cells(
        find_detections(labels),
        TrackOptions(max_step_px=40, divisions=False),
        known=np.array([[0, 3]]),
    )

    assert [0, 3] in links.tolist()
    assert [0, 2] not in links.tolist()


def test_frames_without_cells_at_both_ends_and_between_do_not_matter():
    truth, _ = moving_cells(4)
    labels = np.zeros((9, *truth.shape[1:]), np.int32)
    labels[2:4], labels[5:7] = truth[:2], truth[2:]

    found, _ = tracked(frame_by_frame(labels))

    assert same_cells(found, labels)


def test_the_distance_of_planes_counts_in_stacks():
    labels = np.zeros((2, 9, 20, 20), np.int32)
    labels[0, 0:3, 5:12, 5:12], labels[1, 5:8, 5:12, 5:12] = 1, 2

    close, _ = tracked(labels, TrackOptions(max_step_px=8), z_to_y=1)
    apart, _ = tracked(labels, TrackOptions(max_step_px=8), z_to_y=4)

    assert len(np.unique(close)) == 2
    assert len(np.unique(apart)) == 3


def test_one_frame_or_no_cell_gives_no_links():
    one = np.ones((1, 5, 5), np.int32)

    assert tracked(one)[0].max() == 1
    assert tracked(np.zeros((3, 5, 5), np.int32))[1] == {}


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "laptrack", None)

    with pytest.raises(TrackingError, match=r"pip install napari-cellseg\[tracks\]"):
        link_cells(find_detections(np.ones((2, 5, 5), np.int32)), TrackOptions())


def test_a_process_of_its_own_finds_the_same_links():
    pytest.importorskip("laptrack", reason="the extra 'tracks' is not installed")
    truth, _ = moving_cells()
    detections = find_detections(frame_by_frame(truth))
    known = np.array([[0, 12]])

    links = run(link_in_child(detections, TrackOptions(), known, 1.0))

    np.testing.assert_array_equal(
        links, link_cells(detections, TrackOptions(), known=known)
    )


def test_a_process_of_its_own_ends_without_a_word(monkeypatch, capfd):
    pytest.importorskip("laptrack", reason="the extra 'tracks' is not installed")
    codes = []
    monkeypatch.setattr(
        tracking_child,
        "_answer",
        lambda _folder, code: codes.append(code) or np.zeros((0, 2), np.int64),
    )
    truth, _ = moving_cells()
    detections = find_detections(frame_by_frame(truth))
    run(link_in_child(detections, TrackOptions(), np.zeros((0, 2), np.int64), 1.0))
    assert codes == [0]
    assert not capfd.readouterr().err


def test_a_cancel_ends_the_process_at_once(monkeypatch, tmp_path):
    started = []
    real = subprocess.Popen

    def sleeping(*_arguments, **options):
        program = [sys.executable, "-c", "import time; time.sleep(600)"]
        started.append(real(program, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", sleeping)
    job = link_in_child(
        find_detections(moving_cells()[0]), TrackOptions(), np.zeros((0, 2), int), 1.0
    )
    for _ in range(4):
        progress = next(job)
    assert "Cancel stops it at once" in progress.message
    assert started[0].poll() is None

    job.close()

    assert started[0].returncode is not None


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit(3)", r"ended by itself \(code 3\)"),
        (
            "import sys, pathlib; pathlib.Path(sys.argv[1], 'why.txt').write_text('no x')",
            "no x",
        ),
    ],
    ids=["ends", "refuses"],
)
def test_what_stops_the_process_is_said(monkeypatch, program, said):
    real = subprocess.Popen

    def other(arguments, **options):
        return real([sys.executable, "-c", program, arguments[-1]], **options)

    monkeypatch.setattr(subprocess, "Popen", other)
    detections = find_detections(moving_cells()[0])
    with pytest.raises(TrackingError, match=said):
        run(link_in_child(detections, TrackOptions(), np.zeros((0, 2), int), 1.0))


def test_the_process_ends_with_its_window(tmp_path):
    code = (
        "from napari_cellseg import tracking_child as t; import threading, time\n"
        "threading.Thread(target=t._end_with_window, daemon=True).start()\n"
        "time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    process.stdin.close()

    assert process.wait(60) == 0
