"""Training targets of denoisers that predict the noise or the velocity at discrete time steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families.family import Noised
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch


def training_scheduler(scheduler: Any) -> Any:
    """The DDPM schedule that a sampler's betas come from.

    Raises:
        UserError: if it has none, or if the model predicts neither noise nor velocity.
    """
    from diffusers import DDPMScheduler

    if "beta_schedule" not in scheduler.config:
        raise UserError(
            f"text-to-image model: its scheduler {type(scheduler).__name__} has no betas; "
            "name a model with a DDPM schedule"
        )
    found: Any = DDPMScheduler.from_config(scheduler.config)
    kind = found.config.prediction_type
    if kind not in {"epsilon", "v_prediction"}:
        raise UserError(
            f"text-to-image model: its scheduler's prediction_type is {kind!r}; "
            "name a model that predicts epsilon or v_prediction"
        )
    return found


def noised(
    scheduler: Any,
    latents: torch.Tensor,
    noise: torch.Tensor,
    uniform: torch.Tensor,
    snr_gamma: float | None,
) -> Noised:
    """As `Family.noised`: every time step alike often, weighed by min-SNR-gamma where asked for."""
    import torch

    times = (uniform * scheduler.config.num_train_timesteps).long()
    times = times.to(latents.device, non_blocking=True)  # a step waits for nothing
    noisy = scheduler.add_noise(latents, noise, times)
    target = noise
    if scheduler.config.prediction_type == "v_prediction":
        target = scheduler.get_velocity(latents, noise, times)
    weight = None if snr_gamma is None else min_snr(scheduler, times, snr_gamma)
    return Noised(noisy, times, torch.as_tensor(target), weight)


def min_snr(scheduler: Any, times: torch.Tensor, gamma: float) -> torch.Tensor:
    """Min-SNR-gamma weights, float32 [N] (Hang et al. 2023, arXiv 2303.09556, section 3.4).

    min(SNR, gamma) weighs an error of the predicted picture; what that is for the noise divides by
    SNR, for the velocity by SNR + 1.
    """
    signal = scheduler.alphas_cumprod.to(times.device)[times]
    snr = signal / (1 - signal)
    if scheduler.config.prediction_type == "v_prediction":
        return snr.clamp(max=gamma) / (snr + 1)
    return (gamma / snr).clamp(max=1)  # without 0 / 0 at a last step that is all noise
