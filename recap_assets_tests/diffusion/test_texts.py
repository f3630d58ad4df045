"""Where embeddings come from: the same training, with encoders that read each caption once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.parts import park
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.text_cache import TextCache
from recap_assets.diffusion.texts import Cached, Encoders
from recap_assets.diffusion.train import train
from recap_assets_tests.diffusion.models.every import EVERY
from recap_assets_tests.diffusion.models.parts import CAPTIONS

PICTURES, STEPS = 5, 6


def draw(epoch: int) -> list[str]:
    return [CAPTIONS[(row + epoch) % len(CAPTIONS)] for row in range(PICTURES)]


def settings(family: Family) -> TrainSettings:
    return TrainSettings(
        steps=STEPS, batch=4, lr=1e-2, prompt_dropout=0.4, train=(family.denoiser,), seed=3
    )


def counted(family: Family) -> list[int]:
    """Fills with the number of captions that any encoder reads at once."""
    found: list[int] = []

    def count(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        found.append(len(args[0]))

    for part in family.present:
        family.modules()[part.encoder].register_forward_pre_hook(count)
    return found


def pictures(family: Family) -> torch.Tensor:
    channels, side = family.pipeline.vae.config.latent_channels, family.network.config.sample_size
    generator = torch.Generator().manual_seed(0)
    return torch.randn(PICTURES, channels, side, side, generator=generator)


@pytest.mark.parametrize("name", EVERY)
def test_frozen_encoders_read_each_caption_once(name: str, tmp_path: Path) -> None:
    family, plain = EVERY[name](), EVERY[name]()
    read = counted(family)
    cache = TextCache(tmp_path)
    cache.fill([*CAPTIONS, ""], lambda: family)
    assert sum(read) == len(family.present) * (len(CAPTIONS) + 1)
    read.clear()
    how, latents = settings(family), pictures(family)
    park(family, {family.denoiser})
    found = train(family, Examples(latents, draw, Cached(family, cache)), how).losses
    assert read == []
    read = counted(plain)
    expected = train(plain, Examples(latents, draw, Encoders(plain)), how).losses
    assert sum(read) == len(plain.present) * STEPS * how.batch
    # The encoders read captions in other batches, whose sums are taken in another order.
    assert found == pytest.approx(expected, abs=1e-5)
