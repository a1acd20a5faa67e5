"""How many processors there are to share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from napari_cellseg.core import processors


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux limits it")
def test_processors_that_a_process_may_not_use_do_not_count() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        "from napari_cellseg.core.processors import n_processors; print(n_processors())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.split() == [b"1"]


def test_more_processes_than_processors_have_a_thread_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processors, "n_processors", lambda: 6)
    assert [processors.threads_each(n) for n in (1, 2, 4, 20)] == [6, 3, 1, 1]
