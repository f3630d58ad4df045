"""A tiny StableDiffusionXLPipeline."""

from __future__ import annotations

from typing import Any

from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

from recap_assets.diffusion.families.sdxl import StableDiffusionXL
from recap_assets_tests.diffusion.models import parts


def build(
    prediction: str = "epsilon", seed: int = 0, zeros: bool = True, **vae: Any
) -> StableDiffusionXL:
    """For pictures of 16 x 16 pixels; `zeros` is how guidance is told of no prompt."""
    return parts.seeded(lambda: StableDiffusionXL(_pipeline(prediction, zeros, vae)), seed)


def _pipeline(prediction: str, zeros: bool, vae: dict[str, Any]) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline(
        vae=parts.autoencoder(**vae),
        text_encoder=parts.clip(16),
        text_encoder_2=parts.clip(12, projected=10, pad="!"),
        tokenizer=parts.words(),
        tokenizer_2=parts.words("!"),
        unet=_unet(),
        scheduler=EulerDiscreteScheduler(
            beta_schedule="scaled_linear", prediction_type=prediction, steps_offset=1
        ),
        force_zeros_for_empty_prompt=zeros,
        add_watermarker=False,
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        transformer_layers_per_block=1,
        use_linear_projection=True,
        cross_attention_dim=16 + 12,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=10 + 6 * 8,
        norm_num_groups=4,
    )
