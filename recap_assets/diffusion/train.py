"""Trains a latent-diffusion pipeline on captions: one arm of the comparison, or the base model.

Image order, noise, time steps and dropped prompts depend on the seed and the step alone, so arms
that differ in their captions see everything else alike (paired arms need fewer samples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recap_assets.diffusion.families.family import Noised, Weighting
from recap_assets.diffusion.order import Draw, Draws, Order

if TYPE_CHECKING:
    import torch

    from recap_assets.diffusion.families.family import Family, Text, Tokens

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
    weighting: Weighting = Weighting()
    seed: int = 0


def train(
    family: Family,
    latents: torch.Tensor,
    tokens: Tokens,
    draw: Draw,
    settings: TrainSettings,
    report: Report | None = None,
) -> list[float]:
    """Train the family's pipeline in place and return the loss of every step.

    Args:
        latents: scaled latents, float [N, C, H, W].
        tokens: of M captions; the last row is the empty prompt.
        draw: which caption each picture gets in an epoch.

    Raises:
        UserError: if the model predicts something that nothing trains here or lacks what `train`
            names, or if no picture of a batch has a caption.
    """
    import torch

    modules = _trainable(family, settings.train)
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=True
    )
    order = Order(len(latents), settings.batch, settings.seed, draw)
    objective = _Objective(family, settings)
    average = _Average(modules, settings.ema)
    losses = []
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        rows, captions = order.batch(step)
        loss = objective(latents, tokens, rows, captions, step)
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


def loss_of(noised: Noised, predicted: torch.Tensor) -> torch.Tensor:
    """Mean squared error over all pictures, weighed picture by picture where they have weights."""
    import torch

    if noised.weight is None:
        return torch.nn.functional.mse_loss(predicted, noised.target)
    squares = torch.nn.functional.mse_loss(predicted, noised.target, reduction="none")
    return (noised.weight * squares.flatten(1).mean(1)).mean()


def _trainable(family: Family, names: tuple[str, ...]) -> list[Any]:
    """The modules that move, in training mode; every other weight is frozen."""
    every = family.modules()
    for module in every.values():
        module.eval().requires_grad_(False)
    modules = [every[name] for name in family.trained(names)]
    for module in modules:
        module.train().requires_grad_(True)
    return modules


class _Objective:
    """The loss of a step: what the denoiser should have said of its pictures, by its family."""

    def __init__(self, family: Family, settings: TrainSettings) -> None:
        self._family, self._settings, self._timesteps = family, settings, family.timesteps

    def __call__(
        self,
        latents: torch.Tensor,
        tokens: Tokens,
        rows: np.ndarray,
        captions: np.ndarray,
        step: int,
    ) -> torch.Tensor:
        import torch

        family = self._family
        x = latents[torch.from_numpy(rows)].to(family.device)
        draws = self._draws(rows, step, tuple(x.shape[1:]))
        text = self._text(tokens, captions, draws.dropped)
        noise = draws.noise.to(family.device)
        noised = family.noised(x, noise, draws.uniform, self._settings.weighting)
        return loss_of(noised, family.predict(noised.noisy, noised.times, text))

    def _text(self, tokens: Tokens, captions: np.ndarray, dropped: np.ndarray) -> Text:
        import torch

        empty = len(next(iter(tokens.values()))) - 1
        shown = torch.from_numpy(np.where(dropped, empty, captions))
        return self._family.encode_texts({name: ids[shown] for name, ids in tokens.items()})

    def _draws(self, rows: np.ndarray, step: int, shape: tuple[int, ...]) -> Draws:
        how = self._settings
        return Draws(rows, step, how.seed, shape, self._timesteps, how.prompt_dropout)


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
