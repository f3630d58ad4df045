"""A cache with room for the tokens to come: appending one copies that one, not all before it.

A DynamicCache of transformers is written anew with each token. Where a picture's tokens stand in
it, as in decoder-only models, that is most of what a step moves: without it a step of GIT-base with
64 rows takes half the time (on a CPU core).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def roomy(layers: Iterable[tuple[torch.Tensor, torch.Tensor]], room: int) -> Any:
    """A Cache of transformers that holds these keys and values, [R, H, T, D] both, of each layer,
    and takes up to `room` more tokens. Not for training: it is written in place."""
    from transformers import DynamicCache

    found = DynamicCache()
    found.layers = [_layer()(keys, values, room) for keys, values in layers]
    return found


@cache
def _layer() -> type:
    from transformers.cache_utils import DynamicLayer

    class Roomy(DynamicLayer):
        """Its keys and values are the filled parts of two buffers."""

        def __init__(self, keys: torch.Tensor, values: torch.Tensor, room: int) -> None:
            super().__init__()
            self.lazy_initialization(keys, values)
            self._buffers = tuple(_widened(filled, room) for filled in (keys, values))
            self._show(keys.shape[2])

        def update(
            self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
        ) -> tuple[torch.Tensor, torch.Tensor]:
            start = self.keys.shape[2]
            stop = start + key_states.shape[2]
            for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[:, :, start:stop] = new
            self._show(stop)
            return self.keys, self.values

        def batch_select_indices(self, indices: torch.Tensor) -> None:
            self._buffers = tuple(buffer[indices] for buffer in self._buffers)
            self._show(self.keys.shape[2])

        def _show(self, length: int) -> None:
            self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)

    return Roomy


def _widened(filled: torch.Tensor, room: int) -> torch.Tensor:
    rows, heads, length, width = filled.shape
    buffer = filled.new_empty(rows, heads, length + room, width)
    buffer[:, :, :length] = filled
    return buffer
