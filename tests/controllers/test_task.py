"""How a task stands, without a thread."""

import pytest
from tests.fakes import NowStarter

from napari_cellseg.controllers.task import TaskController
from napari_cellseg.core.errors import SegmentationError
from napari_cellseg.core.jobs import Progress


def counting(n=3, error=None, closed=None):
    try:
        for step in range(n):
            yield Progress(step + 1, n, "counting")
        if error is not None:
            raise error
        return n
    finally:
        if closed is not None:
            closed.append(True)


def test_a_result_is_handed_on_and_the_task_is_done():
    task, results = TaskController(NowStarter()), []
    task.start("Counting", counting(), results.append)
    assert results == [3]
    assert task.state == "done"
    assert task.progress == Progress(3, 3, "counting")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SegmentationError("Out of memory."), "Out of memory."),
        (RuntimeError("CUDA error"), "RuntimeError: CUDA error"),
        (MemoryError(), "not enough memory"),
    ],
    ids=["expected", "fault", "memory"],
)
def test_an_error_is_kept_as_a_sentence(error, words):
    task = TaskController(NowStarter())
    task.start("Counting", counting(error=error), print)
    assert task.state == "failed"
    assert words in task.failure.message


def test_cancel_closes_the_job():
    starter, closed, results = NowStarter(is_held=True), [], []
    task = TaskController(starter)
    job = counting(closed=closed)
    next(job)
    task.start("Counting", job, results.append)
    task.cancel()
    starter.release()
    assert (task.state, closed, results) == ("cancelled", [True], [])


def test_a_task_that_was_left_is_never_heard_of():
    starter, results = NowStarter(is_held=True), []
    task = TaskController(starter)
    task.start("First", counting(1), results.append)
    task.start("Second", counting(2), results.append)
    starter.release()
    assert results == [2]


def test_an_error_in_taking_the_result_is_shown():
    def refuse(_):
        raise SegmentationError("It does not fit.")

    task = TaskController(NowStarter())
    task.start("Counting", counting(), refuse)
    assert task.failure.message == "It does not fit."


def test_the_time_left_follows_the_pace():
    now = [0.0]
    task = TaskController(NowStarter(is_held=True), clock=lambda: now[0])
    task.start("Counting", counting(), print)
    assert task.seconds_left() is None
    now[0] = 10.0
    task.take_progress(Progress(2, 10))
    assert task.seconds_left() == 40.0
