"""Threads of the network that wait for each other sleep soon."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

VARIABLE = "GOMP_SPINCOUNT"
#: What libgomp is told must be there before torch loads it.
PROGRAM = f"""
import os, sys
import napari_cellseg.nn
assert "torch" not in sys.modules
print(os.environ["{VARIABLE}"])
"""


@pytest.mark.parametrize("own", ["", "7"], ids=["nothing said", "the user's own"])
def test_libgomp_is_told_before_torch_is_loaded(own: str) -> None:
    environment = {key: text for key, text in os.environ.items() if key != VARIABLE}
    if own:
        environment[VARIABLE] = own
    said = subprocess.check_output(
        [sys.executable, "-c", PROGRAM], env=environment, text=True
    )
    assert int(said) == int(own or 30_000)
