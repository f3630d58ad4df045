"""One layer of BLIP's text decoder, for tokens that follow on cached ones.

The arithmetic is that of `BlipTextLayer` but for rounding, by the model's own modules, adapters
included. Keys and values of a picture stand in memory once, and its rows look at them together, as
if they were several positions of one row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    import torch


class Sharing(Protocol):
    """Which rows look at which picture."""

    def gather(self, query: torch.Tensor) -> torch.Tensor:
        """Queries of rows [R, H, T, d] as those of pictures, [N, H, most * T, d]."""

    def spread(self, mixed: torch.Tensor, length: int) -> torch.Tensor:
        """[N, H, most * T, d] as [R, H, T, d], T = `length`."""


class Cache(NamedTuple):
    """Keys and values of one layer: of the rows' tokens [R, H, room, d] each, and of the pictures
    [N, H, L, d] each."""

    keys: torch.Tensor
    values: torch.Tensor
    shown_keys: torch.Tensor
    shown_values: torch.Tensor

    @classmethod
    def of(cls, layer: Any, encoded: torch.Tensor, rows: int, room: int) -> Cache:
        """Room for so many tokens of so many rows about pictures [N, L, D]."""
        own, cross = layer.attention.self, layer.crossattention.self
        shape = (rows, own.num_attention_heads, room, own.attention_head_size)
        # Read at every step, and fast only where each head's lie together.
        shown = (heads(cross, made(encoded)).contiguous() for made in (cross.key, cross.value))
        return cls(encoded.new_zeros(shape), encoded.new_zeros(shape), *shown)


@dataclass(frozen=True)
class New:
    """The tokens that follow now: their places int64 [T], and what they look at.

    stop: the places that are read. mask: bool [R, 1, T, stop], None where it is everything.
    """

    places: torch.Tensor
    stop: int
    mask: torch.Tensor | None


def forward(
    layer: Any, states: torch.Tensor, cache: Cache, new: New, sharing: Sharing
) -> torch.Tensor:
    """The states [R, T, D] of new tokens as the next layer reads them; they join the cache."""
    from torch.nn.functional import scaled_dot_product_attention as attend

    own, cross = layer.attention, layer.crossattention
    cache.keys.index_copy_(2, new.places, heads(own.self, own.self.key(states)))
    cache.values.index_copy_(2, new.places, heads(own.self, own.self.value(states)))
    seen = (cache.keys[:, :, : new.stop], cache.values[:, :, : new.stop])
    mixed = attend(heads(own.self, own.self.query(states)), *seen, attn_mask=new.mask)
    states = own.output(_merged(mixed), states)
    query = sharing.gather(heads(cross.self, cross.self.query(states)))
    mixed = attend(query, cache.shown_keys, cache.shown_values)
    states = cross.output(_merged(sharing.spread(mixed, states.shape[1])), states)
    out: torch.Tensor = layer.feed_forward_chunk(states)
    return out


def heads(attention: Any, states: torch.Tensor) -> torch.Tensor:
    """[R, T, H * d] as [R, H, T, d]."""
    return states.view(*states.shape[:2], -1, attention.attention_head_size).transpose(1, 2)


def _merged(mixed: torch.Tensor) -> torch.Tensor:
    """[R, H, T, d] as [R, T, H * d]."""
    return mixed.transpose(1, 2).flatten(2)
