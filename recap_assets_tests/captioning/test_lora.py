from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration

from recap_assets.captioning import lora
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.load import load
from recap_assets.captioning.read import read
from recap_assets.captioning.save import save
from recap_assets.captioning.train import PARTS, train
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, small, walls

SHORT = (read(small(), images(walls())), range(4), [PREFIXES["short"]] * 4, CAPTIONS["short"])


def adapted(captioner: Captioner, parts: tuple[str, ...] = PARTS, **changes: float) -> lora.Adapter:
    how = {"rank": 4, "alpha": 8.0, "dropout": 0.0, "seed": 1} | changes
    return lora.attach(captioner.family, parts, **how)  # type: ignore[arg-type]


def taught(parts: tuple[str, ...] = PARTS) -> tuple[Captioner, lora.Adapter]:
    captioner = small()
    adapter = adapted(captioner, parts)
    train(captioner, [SHORT] * 3, lr=1e-2, steps=3, modules=adapter.modules)
    return captioner, adapter


def loss(captioner: Captioner) -> float:
    with torch.inference_mode():
        return captioner.family.loss(*SHORT).item()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, float]:
    """Folders of a base and of an adapter to it, and the loss of both together."""
    folder = tmp_path_factory.mktemp("lora")
    save(small(), folder / "base", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # peft warns if it asked a hub in vain
        captioner, adapter = taught()
        adapter.save(folder / "adapter", "models/base", "ab12")
    return folder / "base", folder / "adapter", loss(captioner)


def test_targets_are_the_projections_of_attention_and_mlp() -> None:
    """Every linear layer of a BLIP but the one that chooses words."""
    family = small().family
    linear = {
        name for name, one in family.model.named_modules() if isinstance(one, torch.nn.Linear)
    }
    assert set(lora.targets(family, PARTS)) == linear - {"text_decoder.cls.predictions.decoder"}
    only = lora.targets(family, ["image_encoder"])
    assert len(only) == len(set(only)) == 2 * 4  # two layers: qkv, projection, fc1, fc2
    assert all(name.startswith("vision_model.encoder.layers.") for name in only)


def test_a_part_without_layers_is_named() -> None:
    captioner = small()
    captioner.family.model.vision_model.encoder.layers = torch.nn.ModuleList()
    with pytest.raises(UserError, match="image_encoder of BlipFor.* has no linear layer"):
        adapted(captioner, ("image_encoder",))


def test_a_fresh_adapter_changes_nothing_and_its_seed_decides_it() -> None:
    def drawn(seed: int) -> list[torch.Tensor]:
        captioner = small()
        torch.manual_seed(torch.seed())  # what happens outside must not matter
        adapter = adapted(captioner, seed=seed)
        assert loss(captioner) == loss(small())
        return [weight for module in adapter.modules for weight in module.parameters()]

    one, again, other = drawn(3), drawn(3), drawn(4)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("part", PARTS)
def test_only_the_adapter_of_the_named_part_moves(part: str) -> None:
    captioner, adapter = taught((part,))
    base = dict(small().family.model.named_parameters())
    moved = set()
    for name, value in captioner.family.model.named_parameters():
        own = base.get(name.replace(".base_layer", ""))
        if own is None:
            moved |= {name.split(".")[0]} if "lora_B" in name and value.any() else set()
        else:
            assert torch.equal(own, value), name
    assert moved == set(captioner.family.parts[part])
    assert loss(captioner) < loss(small())


def test_dropout_is_the_adapter_s_alone_and_ends_with_training() -> None:
    captioner = small()
    adapter = adapted(captioner, dropout=0.5)
    seen: list[bool] = []
    layers = [one for one in captioner.family.model.modules() if isinstance(one, torch.nn.Dropout)]
    own = [one for module in adapter.modules for one in module.modules() if one in layers]
    assert 0 < len(own) < len(layers)
    for layer in layers:
        layer.register_forward_hook(lambda layer, *_: seen.append(layer.training is (layer in own)))
    train(captioner, [SHORT], lr=0.0, steps=1, dropout=0.5, modules=adapter.modules)
    assert seen and all(seen)
    assert not any(layer.training for layer in layers)


def test_the_update_is_b_a_times_alpha_over_rank(published: tuple[Path, Path, float]) -> None:
    base, folder, _ = published
    merged = load(base, adapter=folder).family.model.state_dict()
    weights = load_file(folder / lora.WEIGHTS)
    before = load_file(base / "model.safetensors")
    changed = {name for name, value in before.items() if not torch.equal(value, merged[name])}
    assert len(changed) == len(weights) // 2
    for name in changed:
        place = f"base_model.model.{name.removesuffix('.weight')}"
        a, b = (weights[f"{place}.lora_{letter}.weight"] for letter in "AB")
        assert torch.allclose(merged[name], before[name] + 8.0 / 4 * b @ a, atol=1e-6)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_loads_it_without_this_project(published: tuple[Path, Path, float]) -> None:
    base, folder, expected = published
    ours = load(base, adapter=folder)
    assert loss(ours) == pytest.approx(expected, abs=1e-5)
    with torch.inference_mode():
        plain = BlipForConditionalGeneration.from_pretrained(base)
        theirs = PeftModel.from_pretrained(plain, folder).eval()
        pixels = ours.family.image_processor(images=images(walls()), return_tensors="pt")
        ids = torch.tensor([ours.family.prefix("short caption: a red")] * 4)
        asked = {"pixel_values": pixels["pixel_values"], "input_ids": ids}
        got, wanted = (model(**asked).logits for model in (theirs, ours.family.model))
        untuned = small().family.model(**asked).logits
    assert torch.allclose(got, wanted, atol=1e-5)
    assert not torch.allclose(got, untuned, atol=1e-2)


def test_the_folder_names_its_base_and_no_machine(published: tuple[Path, Path, float]) -> None:
    _, folder, _ = published
    assert {one.name for one in folder.iterdir()} == {lora.CONFIG, lora.WEIGHTS, "README.md"}
    told = json.loads((folder / lora.CONFIG).read_text(encoding="utf-8"))
    assert (told["base_model_name_or_path"], told["revision"]) == ("models/base", "ab12")
    assert (told["r"], told["lora_alpha"]) == (4, 8.0)
    assert told["target_modules"] == sorted(told["target_modules"])
    assert str(folder.parent) not in (folder / lora.CONFIG).read_text(encoding="utf-8")
    assert lora.base_name(str(folder)) == "adapter"
    assert lora.base_name("org/model") == "org/model"


def test_the_digest_is_of_base_and_adapter(
    published: tuple[Path, Path, float], tmp_path: Path
) -> None:
    base, folder, _ = published
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "README.md").write_text("another card", encoding="utf-8")
    one = load(base, adapter=folder)
    assert load(base, adapter=copy) is one
    assert one.digest not in (load(base).digest, "")
    weights = load_file(copy / lora.WEIGHTS)
    save_file({name: value + 1 for name, value in weights.items()}, copy / lora.WEIGHTS)
    assert load(base, adapter=copy).digest != one.digest


@pytest.mark.parametrize("change", ["fewer", "more", "larger"])
def test_an_adapter_of_another_model_is_refused(
    published: tuple[Path, Path, float], tmp_path: Path, change: str
) -> None:
    base, folder, _ = published
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / lora.WEIGHTS)
    name = min(weights)
    match change:
        case "fewer":
            del weights[name]
        case "more":
            weights[f"base_model.model.other.{name}"] = torch.zeros(1)
        case "larger":
            weights[name] = torch.zeros(3, 3)
    save_file(weights, copy / lora.WEIGHTS)
    with pytest.raises(UserError, match="its files cannot be loaded"):
        load(base, adapter=copy)


def test_pickled_and_missing_adapters_are_refused(
    published: tuple[Path, Path, float], tmp_path: Path
) -> None:
    base, folder, _ = published
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / lora.WEIGHTS).rename(copy / "adapter_model.bin")
    with pytest.raises(UserError, match=r"no adapter_model\.safetensors"):
        load(base, adapter=copy)
