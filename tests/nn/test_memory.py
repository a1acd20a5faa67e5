"""Freed memory stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_cellseg.nn.memory import keep_freed_memory

#: Takes and frees 64 MB twenty times, and prints the page faults of the last ten.
PROGRAM = """
import resource, sys
import numpy as np
from napari_cellseg.nn.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for place in range(20):
    if place == 10:
        before = faults()
    np.ones(2**24, np.float32)
print(faults() - before)
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="glibc is needed")
def test_arrays_that_come_again_cost_no_page_faults() -> None:
    n_faults = {
        how: int(subprocess.check_output([sys.executable, "-c", PROGRAM, how]))
        for how in ("keep", "as it is")
    }
    assert n_faults["keep"] < 0.05 * n_faults["as it is"]
