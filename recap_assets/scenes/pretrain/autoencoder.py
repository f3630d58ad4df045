"""Pre-trains the small text-to-image model's autoencoder: 64 px to 8 x 8 x 8 latents."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.scenes.pretrain.schedule import cosine

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL

CHANNELS = 8
BATCH = 8


def build() -> AutoencoderKL:
    """An untrained AutoencoderKL of 0.8 M parameters."""
    import torch
    from diffusers import AutoencoderKL

    model = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 24, 48, 64),
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        sample_size=64,
        mid_block_add_attention=False,
    )
    # The posterior starts narrow: at its default width of one, colours drown in its noise.
    torch.nn.init.constant_(model.quant_conv.bias.data[CHANNELS:], -6.0)
    return model


def train(pixels: np.ndarray, steps: int, report: Callable[[int, float], None]) -> AutoencoderKL:
    """Reconstruction (L1 and squared error) with a faint pull of the latents towards a normal."""
    import torch

    torch.manual_seed(0)
    model = build().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4, fused=True)
    rng = np.random.default_rng(0)
    for step in range(steps):
        rate = cosine(step, steps, 2e-3, warmup=50)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = _loss(model, as_tensor(pixels[np.sort(rng.integers(0, len(pixels), BATCH))]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        report(step, loss.item())
    model.eval()
    model.register_to_config(scaling_factor=_scale(model, pixels[:512]))
    return model


def as_tensor(pixels: np.ndarray) -> torch.Tensor:
    """uint8 [N, H, W, 3] to float [N, 3, H, W] in -1..1."""
    import torch

    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1


def _loss(model: AutoencoderKL, x: torch.Tensor) -> torch.Tensor:
    posterior = model.encode(x).latent_dist
    y = model.decode(posterior.sample()).sample
    return (y - x).abs().mean() + 2 * (y - x).square().mean() + 1e-7 * posterior.kl().mean()


def _scale(model: AutoencoderKL, pixels: np.ndarray) -> float:
    """Factor that gives latents unit variance, as Stable Diffusion expects."""
    import torch

    with torch.inference_mode():
        latents = model.encode(as_tensor(pixels)).latent_dist.mode()
    return round(1 / latents.std().item(), 5)
