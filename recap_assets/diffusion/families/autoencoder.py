"""Pictures to the latents of an autoencoder, before a pipeline scales them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


#: Pixels encoded at once: two pictures of SDXL, and any batch of small ones.
AT_ONCE = 2**21


def encode(vae: Any, pictures: np.ndarray) -> torch.Tensor:
    """The posterior's mode, float32 [N, C, h, w] on the CPU, of uint8 [N, S, S, 3].

    The mode, so that a picture has one latent. Always in the precision of its weights: SDXL's
    overflows in half precision. Large pictures are encoded a few at a time.
    """
    import torch

    few = max(1, AT_ONCE // (pictures.shape[1] * pictures.shape[2]))
    starts = range(0, len(pictures), few)
    return torch.cat([_encode(vae, pictures[start : start + few]) for start in starts])


def _encode(vae: Any, pictures: np.ndarray) -> torch.Tensor:
    import torch

    x = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
    with torch.inference_mode(), torch.autocast(vae.device.type, enabled=False):
        mode = vae.encode(x.to(vae.device, vae.dtype)).latent_dist.mode()
        return mode.float().cpu()
