"""Compiled loops where nothing can be kept on disk."""

from __future__ import annotations

import pytest
from numba.core.dispatcher import Dispatcher

from napari_cellseg.core.compiled import compiled


def _double(value):
    return 2 * value


def test_a_function_is_compiled_where_nothing_can_be_kept(monkeypatch):
    def refuse(self):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(Dispatcher, "enable_caching", refuse)
    assert compiled(_double)(21) == 42


@pytest.mark.parametrize("value", [3, 1.5])
def test_a_compiled_function_gives_what_it_gave(value):
    assert compiled(_double)(value) == _double(value)
