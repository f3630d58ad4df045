"""A tiny StableDiffusion3Pipeline."""

from __future__ import annotations

from typing import Any

from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)

from recap_assets.diffusion.families.sd3 import StableDiffusion3
from recap_assets_tests.diffusion.models import parts

WIDTH = 40  # of T5; wider than both CLIPs together


def build(t5: bool = True, seed: int = 0, **scheduler: Any) -> StableDiffusion3:
    """For pictures of 16 x 16 pixels, with or without T5; `scheduler` changes its settings."""
    return parts.seeded(lambda: StableDiffusion3(_pipeline(t5, scheduler)), seed)


def _pipeline(t5: bool, scheduler: dict[str, Any]) -> StableDiffusion3Pipeline:
    return StableDiffusion3Pipeline(
        vae=parts.autoencoder(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=parts.clip(16, projected=10),
        text_encoder_2=parts.clip(12, projected=14, pad="!"),
        text_encoder_3=parts.t5(WIDTH) if t5 else None,
        tokenizer=parts.words(),
        tokenizer_2=parts.words("!"),
        tokenizer_3=parts.t5_words() if t5 else None,
        transformer=_transformer(),
        scheduler=FlowMatchEulerDiscreteScheduler(**{"shift": 3.0} | scheduler),
    )


def _transformer() -> SD3Transformer2DModel:
    return SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        caption_projection_dim=16,
        pooled_projection_dim=10 + 14,
        pos_embed_max_size=8,
    )
