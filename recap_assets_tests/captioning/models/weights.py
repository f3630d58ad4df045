"""Random weights for tiny models that say something of their own about each picture."""

from __future__ import annotations

from typing import Any

import torch


def random(kind: Any, config: Any, seed: int, scale: float) -> Any:
    """A model of this class in evaluation mode, its random weights `scale` times a new model's.

    New models are so timid that they say the same of every picture; three times the weights do not.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(scale)
    return model.eval()
