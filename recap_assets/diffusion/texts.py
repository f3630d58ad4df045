"""Where a step has its text embeddings from: the text encoders themselves, or the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from recap_assets.diffusion.families.family import Family, Text, Tokens
from recap_assets.diffusion.text_cache import TextCache

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


class Cached:
    """What frozen encoders once made of every caption."""

    def __init__(self, family: Family, cache: TextCache) -> None:
        self._family, self._cache = family, cache

    def ready(self, captions: Sequence[str]) -> Text:
        """Embeddings, on the CPU. Raises as `TextCache.read`."""
        return self._cache.read(captions)

    def encoded(self, ready: Text) -> Text:
        """The same on the device."""
        device = self._family.device
        return {name: x.to(device, non_blocking=True) for name, x in ready.items()}
