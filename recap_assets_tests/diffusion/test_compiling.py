from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor import config as inductor

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import train
from recap_assets.experiment.errors import UserError
from recap_assets_tests.diffusion.making import CAPTIONS, latents
from recap_assets_tests.diffusion.models import sd3

SETTINGS = TrainSettings(steps=2, batch=4, lr=1e-2, train=("transformer",), seed=5)
PICTURES = 4


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def losses(family: Family, settings: TrainSettings) -> list[float]:
    examples = Examples(latents(PICTURES), lambda epoch: CAPTIONS[:PICTURES], Encoders(family))
    return train(family, examples, settings).losses


@pytest.mark.slow
def test_the_losses_are_those_of_plain_steps() -> None:
    settings = replace(SETTINGS, method="lora", rank=2)
    plain = losses(sd3.build(), settings)
    assert counters["stats"]["unique_graphs"] == 0
    family = sd3.build()
    found = losses(family, replace(settings, compile=True))
    assert found == pytest.approx(plain, abs=1e-5)
    assert counters["stats"]["unique_graphs"] > 0
    assert family.network._compiled_call_impl is None


def test_without_a_compiler_it_says_so() -> None:
    family = sd3.build()
    with (
        inductor.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(UserError, match=r"t2i.compile: .* cannot be compiled here .*compile: false"),
    ):
        losses(family, replace(SETTINGS, compile=True))
