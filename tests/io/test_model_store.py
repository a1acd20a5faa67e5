"""The user's models: taken in once, promoted, rolled back."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from napari_cellseg.core.errors import ModelError
from napari_cellseg.io.models import store as model_store
from napari_cellseg.io.models.folder import (
    DEFAULT_MODEL,
    MODELS_VARIABLE,
    SPEC_NAME,
    find_model,
    list_models,
    read_model_spec,
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv(MODELS_VARIABLE, str(folder))
    return folder


def model_named(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / f"made {name}"
    shutil.copytree(find_model(None), folder)
    spec = replace(read_model_spec(folder), name=name)
    (folder / SPEC_NAME).write_text(spec.to_json())
    return folder


def test_a_model_that_was_taken_in_is_found_by_its_name(tmp_path: Path) -> None:
    assert model_store.take_in(model_named(tmp_path, "mine")) == "mine"
    assert find_model("mine").parent == tmp_path / "models"
    assert [spec.name for _, spec in list_models()] == [DEFAULT_MODEL, "mine"]


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    folder = model_named(tmp_path, "mine")
    model_store.take_in(folder)
    with pytest.raises(ModelError, match="'mine' already"):
        model_store.take_in(folder)
    assert model_store.free_name("Mine!") == "mine-2"


def test_the_second_of_two_trainings_at_once_gets_a_number(tmp_path: Path) -> None:
    made = model_named(tmp_path, "mine")
    model_store.take_in(made)
    assert model_store.take_in(made, is_renamed=True) == "mine-2"
    spec = read_model_spec(find_model("mine-2"))
    assert spec == replace(
        read_model_spec(made), name="mine-2", title=f"{read_model_spec(made).title} 2"
    )


def test_what_is_no_model_is_not_taken_in(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        model_store.take_in(tmp_path)


def test_each_promotion_can_be_taken_back(tmp_path: Path) -> None:
    for name in ("one", "two"):
        model_store.take_in(model_named(tmp_path, name))
        model_store.promote(name)
    assert model_store.promoted() == "two"
    assert model_store.roll_back() == "one"
    assert model_store.roll_back() == DEFAULT_MODEL
    assert not model_store.has_promotion()


def test_a_promoted_model_that_is_gone_is_passed_over(
    tmp_path: Path, own_folder: Path
) -> None:
    model_store.take_in(model_named(tmp_path, "one"))
    model_store.promote("one")
    shutil.rmtree(own_folder / "one")
    assert model_store.promoted() == DEFAULT_MODEL


def test_a_model_travels_in_a_zip(tmp_path: Path) -> None:
    model_store.pack(model_named(tmp_path, "mine"), tmp_path / "mine.zip")
    with model_store.unpacked(tmp_path / "mine.zip") as folder:
        assert model_store.take_in(folder) == "mine"
    assert read_model_spec(find_model("mine")).name == "mine"


def test_a_zip_cannot_write_elsewhere(tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    with zipfile.ZipFile(bad, "w") as file:
        file.writestr("../../escaped.txt", "here I am")
    with pytest.raises(ModelError, match="holds no model"), model_store.unpacked(bad):
        pass
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_what_is_no_zip_is_told_of(tmp_path: Path) -> None:
    bad = tmp_path / "bad.zip"
    bad.write_text("no zip")
    with pytest.raises(ModelError, match="holds no model"), model_store.unpacked(bad):
        pass


def test_only_own_models_can_be_removed(tmp_path: Path) -> None:
    model_store.take_in(model_named(tmp_path, "mine"))
    assert model_store.own_model("mine").is_dir()
    with pytest.raises(ModelError, match="of your own"):
        model_store.own_model(DEFAULT_MODEL)


def test_a_zip_that_is_locked_or_damaged_is_told_of(tmp_path: Path) -> None:
    whole = tmp_path / "mine.zip"
    model_store.pack(model_named(tmp_path, "mine"), whole)
    content = bytearray(whole.read_bytes())
    locked = bytes(content).replace(
        b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01"
    )
    locked = locked.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )
    content[200:260] = bytes(60)
    for name, bad in (("locked", locked), ("damaged", bytes(content))):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(bad)
        with (
            pytest.raises(ModelError, match="holds no model"),
            model_store.unpacked(path),
        ):
            pass


def test_a_torch_file_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    with (
        pytest.raises(ModelError, match=r"weights\.safetensors"),
        model_store.unpacked(path),
    ):
        pass


def test_a_removed_model_is_gone_and_its_name_is_free(tmp_path: Path) -> None:
    folder = model_named(tmp_path, "mine")
    model_store.take_in(folder)
    model_store.remove("mine")
    assert [spec.name for _, spec in list_models()] == [DEFAULT_MODEL]
    assert model_store.take_in(folder) == "mine"


def test_a_description_of_megabytes_is_not_read(tmp_path: Path) -> None:
    (tmp_path / SPEC_NAME).write_text("[" * 2_000_000)
    with pytest.raises(ModelError, match="larger than 1024 KiB"):
        read_model_spec(tmp_path)


def test_a_model_that_does_not_exist_is_said_to_be_missing(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    with (
        pytest.raises(ModelError, match="does not exist") as caught,
        model_store.unpacked(missing),
    ):
        pass
    assert "Errno" not in str(caught.value)


def test_a_name_that_ships_is_taken(tmp_path: Path) -> None:
    made = model_named(tmp_path, DEFAULT_MODEL)
    with pytest.raises(ModelError, match="already"):
        model_store.take_in(made)
    assert model_store.take_in(made, is_renamed=True) == f"{DEFAULT_MODEL}-2"


def test_names_that_differ_in_case_only_are_one(tmp_path: Path) -> None:
    model_store.take_in(model_named(tmp_path, "mine"))
    with pytest.raises(ModelError, match="already"):
        model_store.take_in(model_named(tmp_path, "MINE"))


def test_a_free_name_stays_as_it_is_written(tmp_path: Path) -> None:
    made = model_named(tmp_path, "Grüne Zellen")
    assert model_store.take_in(made, is_renamed=True) == "Grüne Zellen"


def test_what_another_process_is_copying_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = model_named(tmp_path, "mine")
    copy = shutil.copyfile

    def copy_late(source: Path, target: Path) -> None:
        monkeypatch.setattr(shutil, "copyfile", copy)
        model_store.take_in(made)  # the other one is done before us
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", copy_late)
    with pytest.raises(ModelError, match="'mine' already"):
        model_store.take_in(made)
    assert [path.name for path in model_store.user_folder().iterdir()] == ["mine"]


def test_a_model_is_removed_though_a_removal_before_was_cut(
    tmp_path: Path, own_folder: Path
) -> None:
    model_store.take_in(model_named(tmp_path, "mine"))
    (own_folder / ".gone.mine").mkdir()
    (own_folder / ".gone.mine" / SPEC_NAME).touch()
    model_store.remove("mine")
    assert not (own_folder / "mine").exists()


def test_of_a_linked_model_the_link_is_removed(
    tmp_path: Path, own_folder: Path
) -> None:
    made = model_named(tmp_path, "mine")
    own_folder.mkdir()
    (own_folder / "mine").symlink_to(made)
    model_store.remove("mine")
    assert list(own_folder.iterdir()) == []
    assert (made / SPEC_NAME).is_file()


def test_a_list_of_promotions_that_is_none_is_passed_over(own_folder: Path) -> None:
    own_folder.mkdir()
    (own_folder / model_store.PROMOTED_NAME).write_text("5")
    assert model_store.promoted() == DEFAULT_MODEL


def test_files_dated_before_zip_can_be_packed(tmp_path: Path) -> None:
    made = model_named(tmp_path, "mine")
    os.utime(made / SPEC_NAME, (0, 0))
    model_store.pack(made, tmp_path / "mine.zip")
    assert (tmp_path / "mine.zip").is_file()


def test_the_folder_of_a_model_may_be_in_the_zip(tmp_path: Path) -> None:
    made = model_named(tmp_path, "mine")
    packed = shutil.make_archive(
        str(tmp_path / "mine"), "zip", tmp_path, made.relative_to(tmp_path)
    )
    with model_store.unpacked(Path(packed)) as folder:
        assert model_store.take_in(folder) == "mine"


def test_what_is_wrong_in_a_zip_is_told_of_the_zip(tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("model.json", "{}")
        file.writestr("weights.safetensors", "")
    with (
        pytest.raises(ModelError, match=re.escape(str(path))),
        model_store.unpacked(path) as folder,
    ):
        model_store.take_in(folder)
