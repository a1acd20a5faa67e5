"""Results of different images never share a name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from napari_cellseg.batch.names import plan_names
from napari_cellseg.io.reading.paths import stem_of


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("A01.tif", "A01"),
        ("A01.ome.tif", "A01"),
        ("A01.OME.TIFF", "A01"),
        ("A01.ome.zarr", "A01"),
        ("plate.A01.png", "plate.A01"),
        (".ome.tif", ".ome"),
        ("no_ending", "no_ending"),
    ],
)
def test_a_stem_is_the_name_without_its_ending(file: str, stem: str) -> None:
    assert stem_of(Path(file)) == stem


def test_a_name_of_its_own_stays_short() -> None:
    assert plan_names([Path("p/a.tif"), Path("q/b.tif")]) == ["a", "b"]


def test_files_of_two_folders_are_told_apart_by_the_folder() -> None:
    assert plan_names([Path("p/a.tif"), Path("q/a.tif")]) == ["p_a", "q_a"]


def test_files_of_two_kinds_are_told_apart_by_the_ending() -> None:
    names = plan_names([Path("p/a.tif"), Path("p/a.png"), Path("p/a.ome.tif")])

    assert names == ["p_a_tif", "p_a_png", "p_a_ome_tif"]


def test_what_cannot_be_told_apart_gets_a_number() -> None:
    names = plan_names([Path("1/p/a.tif"), Path("2/p/a.tif"), Path("3/p/a.tif")])

    assert names == ["p_a_tif", "p_a_tif_2", "p_a_tif_3"]


def test_a_made_up_name_does_not_hit_a_real_one() -> None:
    names = plan_names([Path("p/a.tif"), Path("q/a.tif"), Path("r/p_a.tif")])

    assert len({name.casefold() for name in names}) == 3


def test_case_does_not_tell_names_apart() -> None:
    names = plan_names([Path("p/A.tif"), Path("p/a.tif")])

    assert len({name.casefold() for name in names}) == 2


def test_the_way_an_accent_is_written_does_not_tell_names_apart() -> None:
    names = plan_names([Path("p/caf\u00e9.tif"), Path("p/cafe\u0301.tif")])

    assert len({unicodedata.normalize("NFC", name) for name in names}) == 2


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("12:30.tif", "12_30"),
        ('a<b>c"d|e?f*g.tif', "a_b_c_d_e_f_g"),
        ("a\\b.tif", "a_b"),
        ("two\nlines.tif", "two_lines"),
        ("aux.2.tif", "_aux.2"),
        ("auxin.tif", "auxin"),
    ],
)
def test_no_name_has_what_windows_forbids(file: str, name: str) -> None:
    assert plan_names([Path(file)]) == [name]


def test_names_that_become_one_are_told_apart() -> None:
    names = plan_names([Path("p/12:30.tif"), Path("p/12_30.tif")])

    assert len(set(names)) == 2


@pytest.mark.parametrize("letter", ["L", "ä", "細"])
def test_long_names_leave_room_for_the_endings(letter: str) -> None:
    long = (letter * 300).encode()[:250].decode("utf-8", "ignore")

    names = plan_names([Path(f"{long}.a"), Path(f"{long}.b"), Path("short.tif")])

    assert len(set(names)) == 3
    assert names[2] == "short"
    assert all(len(f".0.tmp.{name}_probability.tif".encode()) < 256 for name in names)
