"""What the tests show a tiny text-to-image model, and how they look at its weights."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recap_assets.diffusion.families.family import Family, Tokens
from recap_assets_tests.diffusion.models.parts import CAPTIONS, LENGTH, SIZE
from recap_assets_tests.diffusion.models.stable_diffusion import build

__all__ = ["CAPTIONS", "LATENT", "LENGTH", "SIZE", "build"]
LATENT = (4, 8, 8)


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures uint8 [count, SIZE, SIZE, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def latents(count: int, seed: int = 0) -> torch.Tensor:
    """Stand-ins for latents, float32 [count, 4, 8, 8]."""
    return torch.randn(count, *LATENT, generator=torch.Generator().manual_seed(seed))


def tokens(family: Family) -> Tokens:
    """`CAPTIONS` and last the empty prompt."""
    return family.tokenize([*CAPTIONS, ""])


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of every weight of the module."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    """Whether every weight is bit for bit what it was."""
    return all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
