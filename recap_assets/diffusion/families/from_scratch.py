"""A denoiser that has learnt nothing, for training on other captions from the beginning."""

from __future__ import annotations

from recap_assets.diffusion.families.family import Family


def from_scratch(family: Family, seed: int) -> None:
    """Put a denoiser of the same kind and size in the place of the family's, its weights random.

    They are drawn on the CPU as diffusers draws them when it makes a model from a config; the same
    `seed` draws the same on every machine, and no other random numbers change. Autoencoder and text
    encoders stay.
    """
    import torch

    old = family.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(old).from_config(old.config)
    setattr(family.pipeline, family.denoiser, fresh.to(old.device, old.dtype).eval())
