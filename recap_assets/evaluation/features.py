"""Image features for the Frechet distance: the mean of a vision model's last hidden state."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recap_assets.evaluation.pretrained import Pretrained, load


@dataclass(frozen=True)
class Extractor:
    """Turns pictures into feature vectors."""

    weights: Pretrained
    batch: int = 64

    @classmethod
    def load(cls, model: str | Path, *, revision: str | None = None, batch: int = 64) -> Extractor:
        """Load an extractor from a folder or a hub id; a detector's folder gives its backbone.

        A pooling layer may be missing from the files: the features do not pass through it.

        Raises:
            UserError: if the model is missing or its files lack weights.
        """
        return cls(load("AutoModel", model, revision, may_miss=("pooler.",)), batch)

    @property
    def name(self) -> str:
        """Model type and 12 hex digits of the weights, for the tables."""
        return self.weights.name

    @property
    def digest(self) -> str:
        """64 hex digits of the weights."""
        return self.weights.digest

    def extract(self, pictures: np.ndarray) -> np.ndarray:
        """Features float32 [N, D] of pictures uint8 [N, H, W, 3] (RGB)."""
        batches = [
            self._extract_batch(pictures[start : start + self.batch])
            for start in range(0, len(pictures), self.batch)
        ]
        return np.concatenate(batches)

    def _extract_batch(self, pictures: np.ndarray) -> np.ndarray:
        import torch

        network = self.weights.model
        vision = getattr(network, "vision_model", network)
        with torch.inference_mode():
            state = vision(
                pixel_values=self.weights.pixels(pictures)["pixel_values"]
            ).last_hidden_state
        # Transformers give [N, tokens, D], convolutional networks [N, D, H, W].
        mean = state.mean(1) if state.ndim == 3 else state.mean((2, 3))
        features: np.ndarray = mean.float().cpu().numpy()
        return features
