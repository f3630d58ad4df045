"""Each preset that ships loads and is complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from recap_assets.experiment.layers import preset_names
from recap_assets.experiment.project import Project

#: What a user adds to a preset.
OWN = {
    "scenes": "",
    "photo": 'dataset: {urls: "shards/{0..3}.tar"}\n',
    "photo-album": "dataset: {urls: pictures}\n",
    "sd14": 'dataset: {urls: "shards/{0..3}.tar"}\n',
    "sdxl-lora": 'dataset: {urls: "shards/{0..3}.tar"}\n',
}
FOUR = {"alttext": {"alt": 1}, "short": {"short": 1}, "long": {"long": 1}}
FOUR |= {"mix": {"short": 1, "long": 1}}
#: The arms by key.
ARMS = {
    "scenes": {f"{name}-both-s0": mix for name, mix in FOUR.items()},
    "photo": {f"{name}-both-s0": mix for name, mix in FOUR.items()},
    "photo-album": {f"{n}-unet-s0": mix for n, mix in FOUR.items() if n != "alttext"},
    "sd14": {f"{name}-both-s0": mix for name, mix in FOUR.items()}
    | {"mix_unet-unet-s0": FOUR["mix"], "mix_text-text_encoder-s0": FOUR["mix"]},
    "sdxl-lora": {f"{name}-unet-s0": mix for name, mix in FOUR.items()},
}


def open_preset(name: str, folder: Path) -> Project:
    (folder / "recap.yaml").write_text(f"extends: {name}\n{OWN[name]}", encoding="utf-8")
    return Project.open(folder)


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_loads_with_its_arms(name: str, tmp_path: Path) -> None:
    project = open_preset(name, tmp_path)
    assert project.style_names() == ["alt", "short", "long"]
    assert {key: arm.arm.mix for key, arm in project.arm_keys().items()} == ARMS[name]


def test_scenes_keeps_its_world_below_the_root(tmp_path: Path) -> None:
    project = open_preset("scenes", tmp_path)
    config = project.config
    world = tmp_path / "data" / "store" / "world"
    assert project.locate(config.dataset.urls[0]) == str(world / "[0-9]*.tar")
    assert config.human.urls is not None
    assert project.locate(config.human.urls[0]) == str(world / "human.tar")
    assert project.locate(config.evaluation.prompts or "") == str(world / "prompts.jsonl")
    assert project.locate(config.evaluation.lexicon or "") == str(world / "lexicon.json")
    assert config.human.captions == {"short": "json.short", "long": "json.long"}


def test_the_scenes_pattern_finds_the_shards_and_not_the_human_ones(tmp_path: Path) -> None:
    pattern = Path(open_preset("scenes", tmp_path).locate("root://world/[0-9]*.tar"))
    pattern.parent.mkdir(parents=True)
    for name in ("00000.tar", "00007.tar", "human.tar"):
        (pattern.parent / name).write_bytes(b"")
    found = sorted(file.name for file in pattern.parent.glob(pattern.name))
    assert found == ["00000.tar", "00007.tar"]


def test_photo_asks_for_nothing_but_pictures(tmp_path: Path) -> None:
    config = open_preset("photo", tmp_path).config
    assert config.world is None
    assert config.captioners["recap"].tune is None
    assert config.evaluation.metrics == ("fid",)
    assert config.evaluation.detector is None
