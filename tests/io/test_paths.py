"""Which files a command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_cellseg.core.errors import ImageReadError
from napari_cellseg.io.reading.paths import full_address, image_place, list_images


@pytest.fixture
def folder(tmp_path):
    for name in ("b.tif", "a.PNG", "c.jpg", ".hidden.tif", "Thumbs.db", ".DS_Store", "notes.txt",
                 "b_labels.tif", "b_cells.csv", "sub/d.tif"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "z.zarr" / "0").mkdir(parents=True)
    return tmp_path


def _names(paths):
    return [path.name for path in paths]


def test_a_folder_gives_its_images_in_order(folder):
    assert _names(list_images([folder])) == ["a.PNG", "b.tif", "c.jpg", "z.zarr"]


def test_a_pattern_gives_what_it_matches(folder):
    assert _names(list_images([f"{folder}/*.tif"])) == ["b.tif"]
    assert _names(list_images([f"{folder}/**/*.tif"])) == ["b.tif", "d.tif"]


def test_each_image_comes_once(folder):
    found = list_images([folder / "b.tif", folder, f"{folder}/b*"])
    assert _names(found).count("b.tif") == 1


def test_a_file_that_is_named_in_several_ways_comes_once(folder, monkeypatch):
    monkeypatch.chdir(folder)

    found = list_images(
        ["b.tif", folder / "b.tif", "sub/../b.tif", folder / "sub" / ".." / "b.tif"]
    )

    assert _names(found) == ["b.tif"]


def test_one_file_has_one_address_from_every_folder(folder, monkeypatch):
    monkeypatch.chdir(folder / "sub")

    assert full_address(Path("../b.tif")) == str(folder / "b.tif")
    assert full_address(image_place("..")) == str(folder)


def test_two_dots_behind_a_link_lead_to_where_the_disk_says(folder):
    (folder / "far" / "deep").mkdir(parents=True)
    (folder / "link").symlink_to(folder / "far" / "deep")

    assert full_address(folder / "link" / ".." / "b.tif") == str(
        folder / "far" / "b.tif"
    )


def test_a_link_that_leads_nowhere_is_not_passed_over(folder):
    (folder / "away.tif").symlink_to(folder / "drive that is not there" / "away.tif")
    (folder / "loop.tif").symlink_to(folder / "loop.tif")

    assert {"away.tif", "loop.tif"} <= set(_names(list_images([folder])))


def test_a_named_file_is_kept_whatever_it_is_called(folder):
    assert _names(list_images([folder / "notes.txt", folder / "gone.tif"])) == [
        "gone.tif",
        "notes.txt",
    ]


def test_our_own_labels_are_left_out_even_when_named(folder):
    found = list_images([folder / "b_labels.tif", folder / "b.tif"])
    assert _names(found) == ["b.tif"]


def test_a_name_with_brackets_is_no_pattern(tmp_path):
    (tmp_path / "a[1].tif").write_bytes(b"x")
    assert _names(list_images([tmp_path / "a[1].tif"])) == ["a[1].tif"]


@pytest.mark.parametrize("pattern", ["*.czi", "sub/*_labels.tif"])
def test_nothing_found_is_one_sentence(folder, pattern):
    with pytest.raises(ImageReadError, match="no image"):
        list_images([f"{folder}/{pattern}"])


def test_an_empty_folder_is_one_sentence(tmp_path):
    with pytest.raises(ImageReadError, match="no image"):
        list_images([tmp_path])


@pytest.mark.parametrize(
    "text", ["https://lab.example/a.tif", "file:///data/a.tif", "gs://b/a.tif"]
)
def test_an_address_on_the_web_is_no_missing_file(text):
    with pytest.raises(ImageReadError, match="Download it"):
        list_images([text])
    with pytest.raises(ImageReadError, match="Download it"):
        image_place(text)


@pytest.mark.parametrize("text", ["C:/data/a.tif", "C:\\data\\a.tif", "//share/a.tif"])
def test_a_drive_of_windows_is_no_address_on_the_web(text):
    assert image_place(text).name.endswith("a.tif")
