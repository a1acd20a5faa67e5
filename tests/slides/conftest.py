"""Slides are cut into tiles that are small."""

import pytest

from napari_cellseg.slides import plan as plan_module


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut slides into cores of 64 px with 32 px around them."""
    monkeypatch.setattr(plan_module, "CORE_PX", 64)
    monkeypatch.setattr(plan_module, "HALO_PX", 32)
