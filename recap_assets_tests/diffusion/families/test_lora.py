"""Adapters: nothing at the start, saved in diffusers' own layout, and the same after loading."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from recap_assets.diffusion import lora
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.load import load
from recap_assets.diffusion.sample import sample
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.families.test_every import plain
from recap_assets_tests.diffusion.making import CAPTIONS, weights
from recap_assets_tests.diffusion.models import sd3, sdxl, stable_diffusion

Folders = Callable[[str], Path]
ASKED = [(f"p{i}", CAPTIONS[i], 0) for i in range(2)]
RANK, ALPHA = 2, 3.0


def drawn(family: Family) -> np.ndarray:
    return np.stack(list(sample(family, ASKED, 2, 3.0, 2, 0)))


def trained(family: Family, parts: list[str]) -> Family:
    """With an adapter whose B is no longer zero."""
    lora.attach(family, parts, RANK, ALPHA, 0)
    generator = torch.Generator().manual_seed(1)
    for parameter in lora.parameters(family).values():
        parameter.data += torch.randn(parameter.shape, generator=generator)
    return family


def every_part(family: Family) -> list[str]:
    return family.trained([family.denoiser, "text_encoder"])


def test_an_adapter_changes_nothing_until_it_is_trained(model: Family) -> None:
    before = drawn(model)
    lora.attach(model, every_part(model), RANK, ALPHA, 0)
    assert np.array_equal(drawn(model), before)


def test_the_adapter_alone_has_gradients(model: Family) -> None:
    before = {part: weights(module) for part, module in model.modules().items()}
    parts = every_part(model)
    lora.attach(model, parts, RANK, ALPHA, 0)
    found = lora.parameters(model)
    trainable = {
        f"{part}.{name}"
        for part in parts
        for name, parameter in model.modules()[part].named_parameters()
        if parameter.requires_grad
    }
    assert trainable == set(found) and {name.split(".")[0] for name in found} == set(parts)
    assert {min(parameter.shape) for parameter in found.values()} == {RANK}
    after = {
        name.replace(".base_layer", ""): value
        for part in parts
        for name, value in weights(model.modules()[part]).items()
        if ".lora_" not in name
    }
    expected = {name: value for part in parts for name, value in before[part].items()}
    assert after.keys() == expected.keys()


def test_a_seed_decides_the_start(name: str, model: Family) -> None:
    def start(family: Family, parts: list[str], seed: int) -> dict[str, torch.Tensor]:
        lora.attach(family, parts, RANK, ALPHA, seed)
        return {n: p.detach().clone() for n, p in lora.parameters(family).items()}

    fresh = {"sd": stable_diffusion.build, "sdxl": sdxl.build}.get(name, sd3.build)
    parts = every_part(model)
    torch.manual_seed(3)
    first = start(fresh(), parts, 1)
    torch.manual_seed(4)
    state = torch.get_rng_state()
    alone = start(fresh(), parts[:1], 1)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[n], alone[n]) for n in alone)
    other = start(fresh(), parts, 2)
    assert all(torch.equal(first[n], other[n]) == ("lora_B" in n) for n in first)


def test_a_layer_by_hand() -> None:
    family = stable_diffusion.build()
    layer = family.pipeline.text_encoder.encoder.layers[0].self_attn.q_proj
    x = torch.randn(3, 16)
    before = layer(x)
    trained(family, ["text_encoder"])
    found = lora.parameters(family)
    a, b = (
        found[f"text_encoder.encoder.layers.0.self_attn.q_proj.lora_{m}.default.weight"]
        for m in "AB"
    )
    layer = family.pipeline.text_encoder.encoder.layers[0].self_attn.q_proj
    torch.testing.assert_close(layer(x), before + ALPHA / RANK * (x @ a.T) @ b.T)


@pytest.mark.parametrize("which", ["denoiser", "text_encoder", "both"])
def test_it_is_loaded_as_it_was_trained(
    name: str, model: Family, folders: Folders, tmp_path: Path, which: str
) -> None:
    names = {"denoiser": [model.denoiser], "text_encoder": ["text_encoder"]}
    parts = model.trained(names.get(which, [model.denoiser, "text_encoder"]))
    base = drawn(model)
    expected = drawn(trained(model, parts))
    assert not np.array_equal(base, expected)
    lora.save(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [lora.FILE]
    loaded = load(folders(name))
    lora.load(loaded, tmp_path)
    assert np.array_equal(drawn(loaded), expected)
    assert not any(p.requires_grad for m in loaded.modules().values() for p in m.parameters())


def test_plain_diffusers_loads_it(
    name: str, model: Family, folders: Folders, tmp_path: Path
) -> None:
    expected = drawn(trained(model, every_part(model)))
    lora.save(model, tmp_path)
    (tmp_path / "README.md").write_text("---\ntags: [lora]\n---\n", encoding="utf-8")
    pipeline = plain(folders(name), model)
    pipeline.load_lora_weights(tmp_path)
    assert np.array_equal(drawn(type(model)(pipeline)), expected)
    pipeline.unload_lora_weights()
    assert np.array_equal(drawn(type(model)(pipeline)), drawn(load(folders(name))))


def test_the_file_says_nothing_of_this_machine(folders: Folders, tmp_path: Path) -> None:
    family = trained(load(folders("sdxl")), ["unet", "text_encoder", "text_encoder_2"])
    lora.save(family, tmp_path)
    with safe_open(tmp_path / lora.FILE, framework="pt") as file:
        told = json.loads(file.metadata()["lora_adapter_metadata"])
    assert str(folders("sdxl").parent) not in (tmp_path / lora.FILE).read_bytes().decode("latin-1")
    assert {told[f"{part}.lora_alpha"] for part in every_part(family)} == {ALPHA}


def refused(family: Family, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        lora.load(family, folder)
    message = str(caught.value)
    assert message.startswith(f"{folder / lora.FILE}: not a LoRA of this") and "\n" not in message
    return message


def test_no_lora(tmp_path: Path) -> None:
    refused(stable_diffusion.build(), tmp_path)


def test_a_pickled_lora_is_not_loaded(tmp_path: Path) -> None:
    torch.save({"unet.a.lora_A.weight": torch.zeros(1)}, tmp_path / "pytorch_lora_weights.bin")
    refused(stable_diffusion.build(), tmp_path)
    (tmp_path / "pytorch_lora_weights.bin").rename(tmp_path / lora.FILE)
    refused(stable_diffusion.build(), tmp_path)


@pytest.mark.parametrize("size", [0, 100, -1])
def test_a_damaged_lora(tmp_path: Path, size: int) -> None:
    lora.save(trained(stable_diffusion.build(), ["unet"]), tmp_path)
    path = tmp_path / lora.FILE
    path.write_bytes(path.read_bytes()[:size])
    refused(stable_diffusion.build(), tmp_path)


def test_a_lora_of_another_model(tmp_path: Path) -> None:
    lora.save(trained(sdxl.build(), ["unet", "text_encoder", "text_encoder_2"]), tmp_path / "xl")
    refused(stable_diffusion.build(), tmp_path / "xl")
    lora.save(trained(sd3.build(), ["transformer"]), tmp_path / "3")
    assert "of which 0 fit" in refused(stable_diffusion.build(), tmp_path / "3")
