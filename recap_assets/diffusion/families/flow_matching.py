"""Training targets of denoisers that predict the flow from a picture to noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recap_assets.diffusion.families.family import Noised
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch


def training_scheduler(scheduler: Any, patches: int) -> Any:
    """The sigmas of a sampler, all of them, shifted as when it draws pictures of `patches` patches.

    Raises:
        UserError: if it is no sampler of flows.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    if "shift" not in scheduler.config:
        raise UserError(
            f"text-to-image model: its scheduler {type(scheduler).__name__} matches no flow; "
            "name a model with a FlowMatchEulerDiscreteScheduler"
        )
    found: Any = FlowMatchEulerDiscreteScheduler.from_config(scheduler.config)
    if found.config.use_dynamic_shifting:
        found.sigmas = found.time_shift(_dynamic_shift(found.config, patches), 1.0, found.sigmas)
        found.timesteps = found.sigmas * found.config.num_train_timesteps
    return found


def noised(
    scheduler: Any,
    latents: torch.Tensor,
    noise: torch.Tensor,
    uniform: torch.Tensor,
    timesteps: str,
) -> Noised:
    """As `Family.noised`, with the scheduler's sigmas as in diffusers' train_dreambooth_sd3.py.

    The straight path x + sigma (noise - x) has noise - x as its flow everywhere (Esser et al. 2024,
    arXiv 2403.03206, equations 13 and 14). All draws weigh alike; logit-normal draws come more
    often from the middle of the path (their section 3.1, mean 0 and deviation 1).
    """
    import torch

    drawn = uniform
    if timesteps == "logit_normal":
        drawn = torch.sigmoid(torch.special.ndtri(uniform))
    places = (drawn * scheduler.config.num_train_timesteps).long()
    # Without waiting for them, as a step should wait for nothing.
    sigma = scheduler.sigmas[places].to(latents.device, non_blocking=True)
    times = scheduler.timesteps[places].to(latents.device, non_blocking=True)
    share = sigma.view(-1, *[1] * (latents.ndim - 1))
    return Noised((1 - share) * latents + share * noise, times, noise - latents, None)


def _dynamic_shift(config: Any, patches: int) -> float:
    """Linear in the number of patches, as StableDiffusion3Pipeline has it."""
    per_patch = (config.max_shift - config.base_shift) / (
        config.max_image_seq_len - config.base_image_seq_len
    )
    return float(config.base_shift + (patches - config.base_image_seq_len) * per_patch)
