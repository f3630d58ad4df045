"""A denoiser that knows nothing yet: what training on new captions alone starts from."""

from __future__ import annotations

from recap_assets.diffusion.families.family import Family
from recap_assets.experiment.fingerprint import seed as seed_of


def forget(family: Family, seed: int) -> None:
    """Give the denoiser random weights, as its class starts from, decided by `seed` alone.

    The autoencoder and the text encoders keep theirs.
    """
    import torch

    network = family.network
    with torch.random.fork_rng([]):
        torch.random.default_generator.manual_seed(seed_of("scratch", seed))
        fresh = type(network).from_config(network.config)
    network.load_state_dict(fresh.state_dict())
