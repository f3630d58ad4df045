"""The learning rate of each step."""

from __future__ import annotations

import numpy as np

from recap_assets.diffusion.settings import TrainSettings


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Linear warm-up, then the peak rate, or half a cosine from it down to a tenth of it."""
    if step < settings.warmup:
        return settings.lr * (step + 1) / settings.warmup
    if settings.schedule == "constant":
        return settings.lr
    progress = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.lr * float(0.1 + 0.45 * (1 + np.cos(np.pi * progress)))
