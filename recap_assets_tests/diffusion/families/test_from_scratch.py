from __future__ import annotations

from pathlib import Path

import torch

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.families.from_scratch import from_scratch
from recap_assets.diffusion.load import load
from recap_assets.diffusion.sample import sample
from recap_assets.diffusion.save import save
from recap_assets_tests.diffusion.making import same, weights
from recap_assets_tests.diffusion.models.every import EVERY


def test_the_denoiser_alone_is_new(name: str, model: Family, tmp_path: Path) -> None:
    before = {part: weights(module) for part, module in model.modules().items()}
    from_scratch(model, 1)
    for part, module in model.modules().items():
        assert same(module, before[part]) == (part != model.denoiser)
        assert not module.training
    assert weights(model.network).keys() == before[model.denoiser].keys()
    assert model.network.config == EVERY[name]().network.config
    save(model, tmp_path / "fresh")
    loaded = load(tmp_path / "fresh")
    assert same(loaded.network, weights(model.network))
    assert next(sample(loaded, [("p", "", 0)], 1, 1.0, 1, 0)).std() > 0


def test_a_seed_decides_and_disturbs_nothing(name: str) -> None:
    first, again, other = (EVERY[name]() for _ in range(3))
    torch.manual_seed(5)
    from_scratch(first, 1)
    drawn = torch.rand(3)
    torch.manual_seed(6)
    from_scratch(again, 1)
    from_scratch(other, 2)
    assert same(again.network, weights(first.network))
    assert not same(other.network, weights(first.network))
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    # Biases and norms start alike; what is drawn is drawn anew for every weight.
    drawn_anew = [n for n, p in first.network.named_parameters() if p.std() > 0]
    moved = dict(other.network.named_parameters())
    assert not any(torch.equal(first.network.get_parameter(n), moved[n]) for n in drawn_anew)


def test_it_is_drawn_as_diffusers_draws_it(model: Family) -> None:
    torch.manual_seed(9)
    expected = type(model.network).from_config(model.network.config)
    from_scratch(model, 9)
    assert same(model.network, weights(expected))
