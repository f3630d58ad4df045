"""What a model's name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.models import base_folder, resolve


def test_a_base_model_is_a_folder_that_ships(tmp_path: Path) -> None:
    (tmp_path / "captioner").mkdir()
    assert resolve("base:captioner", base=tmp_path) == tmp_path / "captioner"


def test_the_shipped_folder_lies_beside_the_package() -> None:
    repository = Path(__file__).parents[2]
    assert base_folder() == repository / "data" / "base"


def test_a_missing_base_model_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"^model 'base:nobody': .*nobody is not there; `recap pretrain`"
    ):
        resolve("base:nobody", base=tmp_path)


@pytest.mark.parametrize("name", ["base:", "base:../captioner", "base:/etc"])
def test_a_base_model_has_a_plain_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a key is"):
        resolve(name, base=tmp_path)


@pytest.mark.parametrize("name", ["mine", "./mine", "org/mine", "../mine"])
def test_a_folder_wins_over_a_hub_id(name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    (here / name).mkdir(parents=True)
    assert resolve(name, here) == here / name


def test_an_absolute_folder_stays(tmp_path: Path) -> None:
    assert resolve(str(tmp_path), Path("/elsewhere")) == tmp_path


@pytest.mark.parametrize("name", ["gpt2", "openai/clip-vit-base-patch32", "a.b/c_d-1.5"])
def test_a_hub_id_stays_text(name: str, tmp_path: Path) -> None:
    assert resolve(name, tmp_path) == name


@pytest.mark.parametrize(
    "name", ["./mine", "/mine", "a/b/c", "~/nobody-has-this", "a b", "..", "a\\b", ""]
)
def test_what_is_neither_is_told_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="correct the path or name a hub id"):
        resolve(name, tmp_path / "sub")
