"""BLIP's image encoder with fused attention, where nothing is learned from what it makes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def fuse(vision: Any) -> None:
    """Let a `BlipVisionModel` use PyTorch's fused attention where no gradient is asked for.

    Its own writes out the matrix of all pairs of patches. Equal but for rounding.
    """
    for layer in vision.encoder.layers:
        layer.self_attn.__class__ = _fused()


@cache
def _fused() -> type[Any]:
    from transformers.models.blip.modeling_blip import BlipAttention

    class FusedBlipAttention(BlipAttention):
        """The same weights; without gradients another way to the same sums."""

        def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor, Any]:
            import torch

            if torch.is_grad_enabled():
                return super().forward(hidden_states, **kwargs)
            n, length, width = hidden_states.shape
            split = self.qkv(hidden_states).view(n, length, 3, self.num_heads, -1)
            query, key, value = split.permute(2, 0, 3, 1, 4)
            mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value)
            return self.projection(mixed.transpose(1, 2).reshape(n, length, width)), None

    return FusedBlipAttention
