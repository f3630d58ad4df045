"""A text-to-image model of a few thousand random weights for pictures of 16 x 16 pixels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from numpy.typing import NDArray
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from recap_assets.diffusion.families.family import Tokens
from recap_assets.diffusion.families.stable_diffusion import StableDiffusion

SIZE = 16
LATENT = (4, 8, 8)
LENGTH = 12
CAPTIONS = [
    "two red circles left of a blue square",
    "a green triangle",
    "one yellow star above a red square",
    "three blue circles",
    "a black cross on white",
]


def build(prediction: str = "v_prediction", seed: int = 0) -> StableDiffusion:
    """The same `seed` gives the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        words = _words()
        pipeline = StableDiffusionPipeline(
            vae=_autoencoder(),
            text_encoder=_text_encoder(words),
            tokenizer=words,
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
    pipeline.set_progress_bar_config(disable=True)
    family = StableDiffusion(pipeline)
    for module in family.modules().values():
        module.eval()
    return family


def noise(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Pictures uint8 [count, SIZE, SIZE, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def latents(count: int, seed: int = 0) -> torch.Tensor:
    """Stand-ins for latents, float32 [count, 4, 8, 8]."""
    return torch.randn(count, *LATENT, generator=torch.Generator().manual_seed(seed))


def tokens(family: StableDiffusion) -> Tokens:
    """`CAPTIONS` and last the empty prompt."""
    return family.tokenize([*CAPTIONS, ""])


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A copy of every weight of the module."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def same(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> bool:
    """Whether every weight is bit for bit what it was."""
    return all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


@cache
def _words() -> CLIPTokenizer:
    # Learnt again it would break ties in another way.
    empty: Any = CLIPTokenizer(model_max_length=LENGTH)
    return empty.train_new_from_iterator(CAPTIONS, vocab_size=600, show_progress=False)


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        layers_per_block=1,
        latent_channels=LATENT[0],
        norm_num_groups=2,
        sample_size=SIZE,
        scaling_factor=0.7,
        mid_block_add_attention=False,
    )


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=LATENT[1],
        in_channels=LATENT[0],
        out_channels=LATENT[0],
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        mid_block_type=None,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=16,
        norm_num_groups=4,
    )


def _text_encoder(words: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
