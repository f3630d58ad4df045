"""A tiny StableDiffusionPipeline."""

from __future__ import annotations

from diffusers import (
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets_tests.diffusion.models import parts


def build(prediction: str = "v_prediction", seed: int = 0) -> StableDiffusion:
    """For pictures of 16 x 16 pixels and texts of 12 tokens."""
    return parts.seeded(lambda: StableDiffusion(_pipeline(prediction)), seed)


def _pipeline(prediction: str) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=parts.autoencoder(),
        text_encoder=parts.clip(),
        tokenizer=parts.words(),
        unet=_unet(),
        scheduler=DPMSolverMultistepScheduler(
            beta_schedule="squaredcos_cap_v2",
            prediction_type=prediction,
            timestep_spacing="trailing",
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        mid_block_type=None,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=16,
        norm_num_groups=4,
    )
