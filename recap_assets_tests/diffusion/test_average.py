from __future__ import annotations

import pytest
import torch
from diffusers.training_utils import EMAModel

from recap_assets.diffusion.average import Average


def weights(seed: int) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(7, 3), (5,), (2, 3, 4)]
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


@pytest.mark.parametrize("decay", [0.999, 0.3])
def test_it_is_diffusers_average_to_the_bit(decay: float) -> None:
    own = weights(0)
    average, plain = Average(own, decay), EMAModel(weights(0), decay=decay)
    for done in range(1, 9):
        with torch.no_grad():
            for p, moved in zip(own, weights(done), strict=True):
                p.add_(0.1 * moved)
        average.step(done)
        plain.step(own)
    for found, expected in zip(average.shadow, plain.shadow_params, strict=True):
        assert torch.equal(found, expected)
    average.copy_back()
    for p, expected in zip(own, plain.shadow_params, strict=True):
        assert torch.equal(p, expected)


def test_applied_within_a_block_only() -> None:
    own, before = weights(1), weights(1)
    average = Average(own, 0.9)
    for shadow in average.shadow:
        shadow.add_(1)
    with pytest.raises(ZeroDivisionError), average.applied():
        assert all(torch.equal(p, s) for p, s in zip(own, average.shadow, strict=True))
        raise ZeroDivisionError
    assert all(torch.equal(p, b) for p, b in zip(own, before, strict=True))


def test_no_decay_is_no_average() -> None:
    own, before = weights(2), weights(2)
    average = Average(own, 0.0)
    average.step(1)
    average.copy_back()
    with average.applied():
        assert all(torch.equal(p, b) for p, b in zip(own, before, strict=True))
    assert average.shadow == []
