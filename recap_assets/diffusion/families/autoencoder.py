"""Pictures to the latents of an autoencoder, before a pipeline scales them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def encode(vae: Any, pictures: np.ndarray) -> torch.Tensor:
    """The posterior's mode, float32 [N, C, h, w] on the CPU, of uint8 [N, S, S, 3].

    The mode, so that a picture has one latent. Always in the precision of its weights: SDXL's
    overflows in half precision.
    """
    import torch

    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
    with torch.inference_mode(), torch.autocast(vae.device.type, enabled=False):
        mode = vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mode()
        return mode.float().cpu()
