"""The forms that a model's files come in, and files that are missing, for every family."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.load import load
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import same, weights

Folders = Callable[[str], Path]


@pytest.fixture
def folder(name: str, folders: Folders, tmp_path: Path) -> Path:
    """To damage."""
    return Path(shutil.copytree(folders(name), tmp_path / "model"))


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(folder)
    message = str(caught.value)
    assert message.startswith(f"text-to-image model {folder}: ") and "\n" not in message
    return message


def test_weights_in_several_files(model: Family, tmp_path: Path) -> None:
    model.pipeline.save_pretrained(tmp_path / "model", max_shard_size="20KB")
    parts = (tmp_path / "model" / model.denoiser).glob("*-00001-of-*.safetensors")
    assert len(list(parts)) == 1
    for part, module in load(tmp_path / "model").modules().items():
        assert same(module, weights(model.modules()[part]))


@pytest.mark.parametrize("sharded", [False, True])
def test_a_variant_where_there_is_nothing_else(
    model: Family, tmp_path: Path, sharded: bool
) -> None:
    size = {"max_shard_size": "20KB"} if sharded else {}
    model.pipeline.save_pretrained(tmp_path / "model", variant="fp16", **size)
    for part, module in load(tmp_path / "model").modules().items():
        assert same(module, weights(model.modules()[part]))


def test_a_variant_beside_the_weights_is_not_read(name: str, model: Family, folder: Path) -> None:
    for path in folder.rglob("*.safetensors"):
        path.with_suffix(".fp16.safetensors").write_bytes(b"something else")
    for part, module in load(folder).modules().items():
        assert same(module, weights(model.modules()[part]))


def test_two_variants_and_no_weights(model: Family, folder: Path) -> None:
    (path,) = (folder / "vae").glob("*.safetensors")
    for variant in ("fp16", "ema"):
        shutil.copy(path, path.with_suffix(f".{variant}.safetensors"))
    path.unlink()
    assert "cannot be loaded" in refused(folder)


def test_every_part_is_missed(model: Family, folder: Path) -> None:
    parts = [*model.modules(), *(part.tokenizer for part in model.present), "scheduler"]
    for part in parts:
        aside = (folder / part).rename(folder / "aside")
        assert f"its part '{part}' is missing; save it again" in refused(folder)
        aside.rename(folder / part)


def test_weights_that_are_missing_are_not_made_up(model: Family, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    for part in model.modules():
        (path,) = (folder / part).glob("*.safetensors")
        tensors = load_file(path)
        without = {name: tensor for name, tensor in tensors.items() if name != min(tensors)}
        save_file(without, path, {"format": "pt"})
        assert f"1 weights of its {part} are missing" in refused(folder)
        save_file(tensors, path, {"format": "pt"})


def test_pickled_weights_are_refused(model: Family, folder: Path) -> None:
    for part, module in model.modules().items():
        (path,) = (folder / part).glob("*.safetensors")
        kept, pickled = path.read_bytes(), path.with_suffix(".bin")
        if path.stem == "model":
            pickled = path.with_name("pytorch_model.bin")
        torch.save(module.state_dict(), pickled)
        path.unlink()
        assert "safetensors" in refused(folder)
        path.write_bytes(kept)


def test_a_part_of_another_size(model: Family, folder: Path) -> None:
    for part in ("text_encoder", model.denoiser):
        config = folder / part / "config.json"
        told = json.loads(config.read_text(encoding="utf-8"))
        key = (
            "hidden_size"
            if part == "text_encoder"
            else ("cross_attention_dim" if part == "unet" else "joint_attention_dim")
        )
        config.write_text(json.dumps({**told, key: 2 * told[key]}), encoding="utf-8")
        refused(folder)
        config.write_text(json.dumps(told), encoding="utf-8")


def test_the_parts_of_a_pipeline_are_checked_for_each_other(
    name: str, folder: Path, folders: Folders
) -> None:
    """Whole parts of another model."""
    other = {"sd": "sdxl", "sdxl": "sd"}.get(name, "sdxl")
    part = "text_encoder_2" if name.startswith("sd3") else "unet"
    shutil.rmtree(folder / part)
    shutil.copytree(folders(other) / part, folder / part)
    assert "do not fit each other" in refused(folder)
