"""Where a step has its text embeddings from: the text encoders themselves, or the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from recap_assets.diffusion.families.family import Family, Text, Tokens

if TYPE_CHECKING:
    import torch


class Texts(Protocol):
    """Captions on their way into the denoiser."""

    def ready(self, captions: Sequence[str]) -> dict[str, torch.Tensor]:
        """What can be prepared on the CPU, beside the training."""
        ...

    def encoded(self, ready: dict[str, torch.Tensor]) -> Text:
        """What the denoiser reads, on its device."""
        ...


class Encoders:
    """The family's own encoders, step by step, which may be trained."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def ready(self, captions: Sequence[str]) -> Tokens:
        """Padded tokens."""
        return self._family.tokenize(captions)

    def encoded(self, ready: Tokens) -> Text:
        """Embeddings; gradients flow into encoders that are trained."""
        return self._family.encode_texts(ready)
