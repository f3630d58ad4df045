"""Losses written down from the papers and diffusers' example scripts, picture by picture."""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy import stats

from recap_assets.diffusion.families.family import Family, Weighting
from recap_assets_tests.diffusion.making import CAPTIONS, latents

PICTURES = 6
TEXTS = [*CAPTIONS, ""]
UNIFORM = torch.tensor([0.0005, 0.1234, 0.4, 0.5015, 0.875, 0.9995], dtype=torch.float64)


@torch.no_grad()
def loss(family: Family, weighting: Weighting) -> float:
    """The family's, of one batch."""
    text = family.encode_texts(family.tokenize(TEXTS))
    noised = family.noised(latents(PICTURES), latents(PICTURES, 1), UNIFORM, weighting)
    predicted = family.predict(noised.noisy, noised.times, text)
    errors = (predicted - noised.target).square().flatten(1).mean(1)
    weights = torch.ones(PICTURES) if noised.weight is None else noised.weight
    return float((weights * errors).mean())


@torch.no_grad()
def of_unet(family: Any, betas: torch.Tensor, velocity: bool, gamma: float | None) -> float:
    """DDPM's forward process and its noise or velocity, weighed as in Hang et al. 2023.

    Their section 3.4: min(SNR, gamma) / SNR for the noise, min(SNR, gamma) / (SNR + 1) for the
    velocity (Salimans and Ho 2022: a noise - s x).
    """
    signal = torch.cumprod(1 - betas.double(), 0)
    total = 0.0
    for i in range(PICTURES):
        time = math.floor(UNIFORM[i] * 1000)
        alpha, sigma = math.sqrt(signal[time]), math.sqrt(1 - signal[time])
        x, noise = latents(PICTURES)[i], latents(PICTURES, 1)[i]
        target = alpha * noise - sigma * x if velocity else noise
        answer = predicted_by_unet(family, alpha * x + sigma * noise, time, TEXTS[i])
        ratio = float(signal[time] / (1 - signal[time]))
        least = ratio if gamma is None else min(ratio, gamma)
        weight = 1.0 if gamma is None else least / (ratio + 1 if velocity else ratio)
        total += weight * float((answer - target).square().mean())
    return total / PICTURES


def predicted_by_unet(family: Any, noisy: torch.Tensor, time: int, text: str) -> torch.Tensor:
    """What the UNet says where the pipeline itself reads the text."""
    pipeline = family.pipeline
    told: dict[str, Any] = {}
    if hasattr(pipeline, "text_encoder_2"):
        hidden, zero, pooled, no_pooled = pipeline.encode_prompt(text)
        if not text and pipeline.config.force_zeros_for_empty_prompt:
            hidden, pooled = zero, no_pooled
        size = (family.resolution, family.resolution)
        ids = pipeline._get_add_time_ids(size, (0, 0), size, torch.float32, pooled.shape[-1])
        told = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}
    else:
        hidden, _ = pipeline.encode_prompt(text, "cpu", 1, False)
    return pipeline.unet(noisy[None], time, encoder_hidden_states=hidden, **told).sample[0]


@torch.no_grad()
def of_flow(family: Any, sigmas: torch.Tensor, logit_normal: bool) -> float:
    """train_dreambooth_sd3.py without preconditioning; `sigmas` float64 [1000] fall from 1."""
    pipeline, total = family.pipeline, 0.0
    for i in range(PICTURES):
        u = float(UNIFORM[i])
        if logit_normal:
            u = 1 / (1 + math.exp(-stats.norm.ppf(u)))
        sigma = float(sigmas[int(u * 1000)])
        x, noise = latents(PICTURES)[i], latents(PICTURES, 1)[i]
        hidden, _, pooled, _ = pipeline.encode_prompt(TEXTS[i], None, None)
        answer = pipeline.transformer(
            hidden_states=((1 - sigma) * x + sigma * noise)[None],
            timestep=torch.tensor([sigma * 1000]),
            encoder_hidden_states=hidden,
            pooled_projections=pooled,
        ).sample[0]
        total += float((answer - (noise - x)).square().mean())
    return total / PICTURES
