"""``cellseg train`` with a base set so small that a test can wait for it."""

from __future__ import annotations

import sys

from napari_cellseg.cli import main
from napari_cellseg.nn.fine_tuning import data as fine_tune_data

fine_tune_data.REPLAY_SEEDS = range(2)
fine_tune_data.BASE_SEEDS = range(2, 4)
fine_tune_data.SCENE_SHAPE_YX = (96, 96)
sys.argv[0] = "cellseg"
main()
