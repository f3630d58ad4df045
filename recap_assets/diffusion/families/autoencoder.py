"""Pictures to the latents that a denoiser works on, and the scale it expects them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def encode(vae: Any, pictures: np.ndarray) -> torch.Tensor:
    """Latents (mode - shift) * scale, float32 [N, C, h, w] on the CPU, of uint8 [N, S, S, 3].

    The mode of the posterior, so that a picture has one latent. Shift and scale are the
    autoencoder's own (`shift_factor`, which older ones lack, and `scaling_factor`).
    """
    import torch

    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
    with torch.inference_mode():
        latents = vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mode()
        shift = getattr(vae.config, "shift_factor", None)
        if shift is not None:
            latents = latents - shift
        return (latents * vae.config.scaling_factor).float().cpu()
