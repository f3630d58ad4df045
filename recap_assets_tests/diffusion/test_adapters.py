"""Training by LoRA: the adapter moves and nothing else, and what is saved is what was learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recap_assets.diffusion import lora
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.optimizer import Optimizer
from recap_assets.diffusion.parts import Trainable
from recap_assets.diffusion.run import Record
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import Keep, train
from recap_assets_tests.diffusion.making import weights
from recap_assets_tests.diffusion.models.every import EVERY
from recap_assets_tests.diffusion.models.parts import CAPTIONS

PICTURES = 5
LORA = TrainSettings(steps=3, batch=4, lr=1e-2, method="lora", rank=2, alpha=4.0, seed=3)


def draw(epoch: int) -> list[str]:
    return [CAPTIONS[(row + epoch) % len(CAPTIONS)] for row in range(PICTURES)]


def examples(family: Family) -> Examples:
    channels, side = family.pipeline.vae.config.latent_channels, family.network.config.sample_size
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(PICTURES, channels, side, side, generator=generator)
    return Examples(pictures, draw, Encoders(family))


def settings(family: Family) -> TrainSettings:
    return replace(LORA, train=(family.denoiser, "text_encoder"))


@pytest.mark.parametrize("name", EVERY)
def test_the_adapter_moves_and_the_base_does_not(name: str) -> None:
    family = EVERY[name]()
    before = {part: weights(module) for part, module in family.modules().items()}
    train(family, examples(family), settings(family))
    for part, module in family.modules().items():
        base = {n.replace(".base_layer", ""): w for n, w in weights(module).items()}
        assert all(torch.equal(base[n], w) for n, w in before[part].items())
        assert not module.training and not any(p.requires_grad for p in module.parameters())
    # B is zero before it is trained, and stays so where the denoiser does not read a last layer.
    found = {n: float(p.abs().max()) for n, p in lora.parameters(family).items() if ".lora_B" in n}
    moved = {name.split(".")[0] for name, size in found.items() if size > 0}
    assert moved == set(family.trained([family.denoiser, "text_encoder"]))
    assert sum(size > 0 for size in found.values()) > 0.7 * len(found)


def test_the_optimizer_knows_the_adapter_alone() -> None:
    family = EVERY["sd"]()
    moving = Trainable(family, settings(family)).parameters
    assert moving.keys() == lora.parameters(family).keys()
    optimizer = Optimizer(moving, LORA)
    for parameter in moving.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(0)
    kinds = {name.split(".", 1)[1] for name in optimizer.state()}
    assert kinds == moving.keys()


def test_what_is_kept_on_the_way_loads_into_the_base(tmp_path: Path) -> None:
    family = EVERY["sd"]()

    def publish(record: Record) -> None:
        lora.save(family, tmp_path / str(record.steps))

    train(family, examples(family), replace(LORA, ema=0.9), keep=Keep((1, 3), publish))
    learnt = {name: p.clone() for name, p in lora.parameters(family).items()}
    found = {}
    for step in (1, 3):
        plain = EVERY["sd"]()
        lora.load(plain, tmp_path / str(step))
        found[step] = list(lora.parameters(plain).values())
    assert len(found[3]) == len(learnt)
    assert all(any(torch.equal(p, w) for w in learnt.values()) for p in found[3])
    assert not any(torch.equal(a, b) for a, b in zip(found[1], found[3], strict=True))
