"""Trains a latent-diffusion pipeline on captions: one arm of the comparison, or the base model.

Image order, noise, time steps and dropped prompts depend on the seed and the step alone, so arms
that differ in their captions see everything else alike (paired arms need fewer samples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recap_assets.diffusion.order import Draw, Draws, Order
from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch
    from diffusers import StableDiffusionPipeline

Report = Callable[[int, float], None]


@dataclass(frozen=True)
class TrainSettings:
    """How long and how strongly to train; `train` names the weights that move."""

    steps: int
    batch: int
    lr: float
    warmup: int = 0
    weight_decay: float = 0.01
    prompt_dropout: float = 0.1
    ema: float = 0.0
    train: tuple[str, ...] = ("unet", "text_encoder")
    seed: int = 0


def train(
    pipeline: StableDiffusionPipeline,
    latents: torch.Tensor,
    input_ids: torch.Tensor,
    draw: Draw,
    settings: TrainSettings,
    report: Report | None = None,
) -> list[float]:
    """Train the pipeline in place and return the loss of every step.

    Args:
        latents: scaled latents, float [N, C, H, W].
        input_ids: tokenized captions, int [M, L]; the last row is the empty prompt.
        draw: which caption each picture gets in an epoch.

    Raises:
        UserError: if the model predicts neither noise nor velocity, or if no picture of a batch has
            a caption.
    """
    import torch

    modules = _trainable(pipeline, settings.train)
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    order = Order(len(latents), settings.batch, settings.seed, draw)
    objective = _Objective(pipeline, settings)
    average = _Average(modules, settings.ema)
    losses = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        rows, captions = order.batch(step)
        loss = objective(latents, input_ids, rows, captions, step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.step()
        losses.append(loss.item())
        if report:
            report(step, losses[-1])
    average.copy_back()
    for module in modules:
        module.eval().requires_grad_(False)
    return losses


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Linear warm-up, then half a cosine down to a tenth of the peak."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    progress = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * float(0.1 + 0.45 * (1 + np.cos(np.pi * progress)))


def _trainable(pipeline: StableDiffusionPipeline, names: tuple[str, ...]) -> list[Any]:
    """The modules that move, in training mode; every other weight is frozen."""
    for module in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
        module.eval().requires_grad_(False)
    modules = [getattr(pipeline, name) for name in names]
    for module in modules:
        module.train().requires_grad_(True)
    return modules


class _Objective:
    """Mean squared error of the scheduler's own target (noise or velocity)."""

    def __init__(self, pipeline: StableDiffusionPipeline, settings: TrainSettings) -> None:
        from diffusers import DDPMScheduler

        self._pipeline, self._settings = pipeline, settings
        self._scheduler: Any = DDPMScheduler.from_config(pipeline.scheduler.config)
        kind = self._scheduler.config.prediction_type
        if kind not in {"epsilon", "v_prediction"}:
            raise UserError(
                f"text-to-image model: its scheduler's prediction_type is {kind!r}; "
                "name a model that predicts epsilon or v_prediction"
            )

    def __call__(
        self,
        latents: torch.Tensor,
        input_ids: torch.Tensor,
        rows: np.ndarray,
        captions: np.ndarray,
        step: int,
    ) -> torch.Tensor:
        import torch

        device = self._pipeline.unet.device
        x = latents[torch.from_numpy(rows)].to(device)
        draws = self._draws(rows, step, tuple(x.shape[1:]))
        shown = np.where(draws.dropped, len(input_ids) - 1, captions)
        hidden = self._pipeline.text_encoder(input_ids[torch.from_numpy(shown)].to(device))[0]
        noise, times = draws.noise.to(device), draws.times.to(device)
        noisy = self._scheduler.add_noise(x, noise, times)
        predicted = self._pipeline.unet(noisy, times, encoder_hidden_states=hidden).sample
        return torch.nn.functional.mse_loss(predicted, self._target(x, noise, times))

    def _draws(self, rows: np.ndarray, step: int, shape: tuple[int, ...]) -> Draws:
        limit = self._scheduler.config.num_train_timesteps
        return Draws(rows, step, self._settings.seed, shape, limit, self._settings.prompt_dropout)

    def _target(self, x: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        if self._scheduler.config.prediction_type == "v_prediction":
            return self._scheduler.get_velocity(x, noise, times)
        return noise


class _Average:
    """An exponential moving average of the weights, or nothing when the decay is zero."""

    def __init__(self, modules: list[Any], decay: float) -> None:
        from diffusers.training_utils import EMAModel

        kept = modules if decay else []
        self._pairs = [(EMAModel(m.parameters(), decay=decay), m) for m in kept]

    def step(self) -> None:
        for average, module in self._pairs:
            average.step(module.parameters())

    def copy_back(self) -> None:
        for average, module in self._pairs:
            average.copy_to(module.parameters())
