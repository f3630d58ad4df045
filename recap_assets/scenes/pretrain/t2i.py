"""Pre-trains the small text-to-image model on alt-text: the state that recaptioning starts from."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.texts import Encoders
from recap_assets.diffusion.train import train
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.scenes.alt_text import alt_text
from recap_assets.scenes.captions import long, short
from recap_assets.scenes.pretrain.autoencoder import CHANNELS, as_tensor
from recap_assets.scenes.pretrain.pictures import Pool

if TYPE_CHECKING:
    import torch
    from diffusers import AutoencoderKL
    from transformers import CLIPTokenizer

    from recap_assets.diffusion.families.family import Family

TEXT_LENGTH = 26  # tokens with start and end; the wordiest simulated captions go over it
WIDTH = 128
BATCH = 64
ALT_NOISE = 0.3  # filtered alt-text, as base models have it: less noise than a project's
TEXTS = 4  # alt-texts a picture; an epoch shows one


def sentences(pool: Pool, limit: int = 4000) -> list[str]:
    """Alt-text and captions of some scenes, for vocabularies."""
    found = []
    for index, scene in enumerate(pool.scenes[:limit]):
        rng = random.Random(seed_of("vocabulary", index))
        found += [short(scene, rng), long(scene, rng), alt_text(scene, rng, ALT_NOISE)]
    return found


def build(vae: AutoencoderKL, words: CLIPTokenizer) -> Family:
    """An untrained StableDiffusionPipeline of about 4 M parameters around the autoencoder."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(64, 96),
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        mid_block_type=None,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=WIDTH,
        norm_num_groups=16,
    )
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=TEXT_LENGTH,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    )
    scheduler = DPMSolverMultistepScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=words,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return StableDiffusion(pipeline)


def encode(vae: AutoencoderKL, pixels: np.ndarray, batch: int = 128) -> torch.Tensor:
    """Scaled latents of the pictures, float [N, 8, 8, 8]."""
    import torch

    parts = []
    with torch.inference_mode():
        for start in range(0, len(pixels), batch):
            latent = vae.encode(as_tensor(pixels[start : start + batch])).latent_dist.mode()
            parts.append(latent * vae.config.scaling_factor)
    return torch.cat(parts).clone()


def pretrain(
    family: Family,
    pool: Pool,
    steps: int,
    report: Callable[[int, float], None],
    seed: int = 0,
) -> None:
    """Train the pipeline in place on alt-text; a picture has several, and an epoch shows one."""
    texts = [
        alt_text(scene, random.Random(seed_of("pretrain-alt", index, number)), ALT_NOISE)
        for number in range(TEXTS)
        for index, scene in enumerate(pool.scenes)
    ]
    settings = TrainSettings(steps=steps, batch=BATCH, lr=1e-3, warmup=200, ema=0.999, seed=seed)
    latents = encode(family.pipeline.vae, pool.pixels)

    def draw(epoch: int) -> list[str]:
        start = epoch % TEXTS * len(pool.scenes)
        return texts[start : start + len(pool.scenes)]

    train(family, Examples(latents, draw, Encoders(family)), settings, report=report)
