from __future__ import annotations

import torch

from recap_assets.diffusion.scratch import forget
from recap_assets_tests.diffusion.making import build, same, weights


def test_the_denoiser_forgets_and_nothing_else_does() -> None:
    family, base = build(), build()
    torch.manual_seed(1)
    forget(family, 3)
    for part in ("vae", "text_encoder"):
        assert same(getattr(family.pipeline, part), weights(getattr(base.pipeline, part)))
    before = weights(base.network)
    moved = [n for n, w in family.network.named_parameters() if not torch.equal(w, before[n])]
    assert {name for name, w in before.items() if w.ndim > 1} <= set(moved)


def test_the_seed_alone_decides_what_it_starts_from() -> None:
    one, again, other = build(), build(seed=1), build()
    torch.manual_seed(1)
    forget(one, 3)
    torch.manual_seed(2)
    forget(again, 3)
    forget(other, 4)
    assert same(one.network, weights(again.network))
    assert not same(one.network, weights(other.network))


def test_it_leaves_other_random_numbers_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    forget(build(), 3)
    assert torch.equal(torch.rand(3), expected)
