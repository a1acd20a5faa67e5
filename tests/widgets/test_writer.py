"""Labels are written while the window goes on."""

import time

import pytest

from napari_cellseg.core.jobs import Progress
from napari_cellseg.widgets.projects import writer
from napari_cellseg.widgets.projects.writer import Writer


class SlowProjects:
    """Writes three chunks, each of which takes longer than one turn."""

    def __init__(self):
        self.told = []

    def writing(self):
        self.told.append("begin")
        for chunk in range(3):
            time.sleep(2 * writer.SECONDS_AT_ONCE)
            self.told.append(chunk)
            yield Progress(0, 0)
        self.told.append("end")


@pytest.fixture
def slow(qapp):
    projects = SlowProjects()
    made = Writer(projects, qapp)
    yield projects, made
    made.stop()
    made.deleteLater()


def test_the_window_has_its_turn_between_chunks(slow, qtbot):
    projects, made = slow
    made.start()
    assert projects.told == ["begin", 0]
    qtbot.waitUntil(lambda: "end" in projects.told)
    assert projects.told == ["begin", 0, 1, 2, "end"]


def test_what_is_asked_for_meanwhile_is_written_afterwards(slow, qtbot):
    projects, made = slow
    for _ in range(3):
        made.start()
    qtbot.waitUntil(lambda: projects.told.count("end") == 2)
    assert projects.told == ["begin", 0, 1, 2, "end"] * 2


def test_what_failed_once_is_tried_again(slow, qtbot):
    projects, made = slow
    slowly = projects.writing
    projects.writing = lambda: (1 / 0 for _ in range(1))
    with pytest.raises(ZeroDivisionError):
        made.start()
    projects.writing = slowly
    made.start()
    qtbot.waitUntil(lambda: "end" in projects.told)


def test_a_window_that_closes_writes_no_more(slow, qtbot):
    projects, made = slow
    made.start()
    made.stop()
    qtbot.wait(50)
    assert projects.told == ["begin", 0]
