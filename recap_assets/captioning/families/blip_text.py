"""BLIP's text decoder for many rows at once: what rows of one picture share is held and read once.

The arithmetic is that of `BlipTextLMHeadModel` but for rounding, by the model's own modules. Keys
and values of a picture stand in memory once, and its rows look at them together, as if they were
several positions of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recap_assets.captioning.families.family import Decoding
from recap_assets.captioning.families.padding import pad

if TYPE_CHECKING:
    import torch

# Pictures without rows leave memory when at least this share of it is theirs.
_GONE_SHARE = 0.25


class TextDecoding(Decoding):
    """Rows of a text decoder, row r about picture `at[r]` of `encoded` [N, L, D].

    Buffers have room for `limit` tokens after the prompts.
    """

    def __init__(
        self,
        decoder: Any,
        encoded: torch.Tensor,
        at: torch.Tensor,
        prompts: Sequence[Sequence[int]],
        limit: int,
    ) -> None:
        import torch

        self.prompts = prompts
        self._decoder = decoder
        rows = pad(prompts, int(decoder.config.pad_token_id), "left")
        shape = (len(prompts), rows.ids.shape[1] + limit)
        self._seen = torch.ones(shape, dtype=torch.bool, device=encoded.device)
        self._seen[:, : rows.ids.shape[1]] = rows.mask.to(encoded.device) == 1
        self._padded = not bool(rows.mask.all())
        self._length = 0
        self._layers = [_Layer.of(layer, encoded, shape) for layer in decoder.bert.encoder.layer]
        self._sharing = _Sharing.of(at.to(encoded.device), len(encoded))
        self._forward(rows.ids.to(encoded.device))

    def step(self, tokens: torch.Tensor) -> None:
        self._forward(tokens[:, None])

    def keep(self, rows: torch.Tensor) -> None:
        self._seen = self._seen[rows]
        self._sharing, pictures = self._sharing.keep(rows)
        for layer in self._layers:
            layer.keep(rows, pictures)

    def _forward(self, ids: torch.Tensor) -> None:
        """Append tokens int64 [R, T] and renew the logits."""
        start, self._length = self._length, self._length + ids.shape[1]
        seen = self._seen[:, : self._length]
        places = (seen.cumsum(-1) - 1).clamp(min=0)[:, start:]
        states = self._decoder.bert.embeddings(input_ids=ids, position_ids=places)
        mask = self._mask(seen, start)
        for layer in self._layers:
            states = layer(states, start, mask, self._sharing)
        self.logits = self._decoder.cls(states[:, -1:])[:, -1]

    def _mask(self, seen: torch.Tensor, start: int) -> torch.Tensor | None:
        """bool [R, 1, T, length]: what each new position looks at; None where it is everything."""
        import torch

        length, new = seen.shape[1], seen.shape[1] - start
        if new == 1 and not self._padded:
            return None
        causal = torch.ones((new, length), dtype=torch.bool, device=seen.device).tril(start)
        # A row's padding looks at itself, for a row of nothing is no distribution.
        own = torch.eye(length, dtype=torch.bool, device=seen.device)[start:]
        return ((seen[:, None] & causal) | own)[:, None]


@dataclass
class _Layer:
    """One layer of the decoder with its keys and values.

    keys, values: of the rows' tokens, [R, H, room, d]. shown: of the pictures, [N, H, L, d] each.
    """

    layer: Any
    keys: torch.Tensor
    values: torch.Tensor
    shown: tuple[torch.Tensor, torch.Tensor]

    @classmethod
    def of(cls, layer: Any, encoded: torch.Tensor, shape: tuple[int, int]) -> _Layer:
        """Buffers for R rows of so many tokens, `shape`, about pictures [N, L, D]."""
        own, cross = layer.attention.self, layer.crossattention.self
        heads, width = own.num_attention_heads, own.attention_head_size
        room = (shape[0], heads, shape[1], width)
        # Read at every step, and fast only where each head's lie together.
        shown = [_heads(cross, made(encoded)).contiguous() for made in (cross.key, cross.value)]
        return cls(layer, encoded.new_empty(room), encoded.new_empty(room), (shown[0], shown[1]))

    def __call__(
        self, states: torch.Tensor, start: int, mask: torch.Tensor | None, sharing: _Sharing
    ) -> torch.Tensor:
        """The states [R, T, D] of the tokens from place `start`, as the next layer reads them."""
        from torch.nn.functional import scaled_dot_product_attention as attend

        own, cross = self.layer.attention, self.layer.crossattention
        stop = start + states.shape[1]
        self.keys[:, :, start:stop] = _heads(own.self, own.self.key(states))
        self.values[:, :, start:stop] = _heads(own.self, own.self.value(states))
        query = _heads(own.self, own.self.query(states))
        mixed = attend(query, self.keys[:, :, :stop], self.values[:, :, :stop], attn_mask=mask)
        states = own.output(_merged(mixed), states)
        query = sharing.gather(_heads(cross.self, cross.self.query(states)))
        mixed = sharing.spread(attend(query, *self.shown), states.shape[1])
        states = cross.output(_merged(mixed), states)
        out: torch.Tensor = self.layer.feed_forward_chunk(states)
        return out

    def keep(self, rows: torch.Tensor, pictures: torch.Tensor | None) -> None:
        """Go on with these rows, int64, and these pictures where not all of them stay."""
        self.keys, self.values = self.keys[rows], self.values[rows]
        if pictures is not None:
            self.shown = (self.shown[0][pictures], self.shown[1][pictures])


def _heads(attention: Any, states: torch.Tensor) -> torch.Tensor:
    """[R, T, H * d] as [R, H, T, d]."""
    return states.view(*states.shape[:2], -1, attention.attention_head_size).transpose(1, 2)


def _merged(mixed: torch.Tensor) -> torch.Tensor:
    """[R, H, T, d] as [R, T, H * d]."""
    return mixed.transpose(1, 2).flatten(2)


@dataclass(frozen=True)
class _Sharing:
    """Which rows look at which picture.

    at: the picture of each row. slot: its number among the rows of that picture, int64 [R] each.
    pictures, most: how many pictures are held, and the most rows that one of them has.
    """

    at: torch.Tensor
    slot: torch.Tensor
    pictures: int
    most: int

    @classmethod
    def of(cls, at: torch.Tensor, pictures: int) -> _Sharing:
        """From the picture of each row, ascending, of so many pictures."""
        import torch

        counts = torch.bincount(at, minlength=pictures)
        first = counts.cumsum(0) - counts
        slot = torch.arange(len(at), device=at.device) - first[at]
        return cls(at, slot, pictures, int(counts.max()))

    def gather(self, query: torch.Tensor) -> torch.Tensor:
        """Queries of rows [R, H, T, d] as those of pictures, [N, H, most * T, d]."""
        rows, heads, length, width = query.shape
        if self.most == 1 and rows == self.pictures:
            return query
        held = query.new_zeros(self.pictures, self.most, heads, length, width)
        held[self.at, self.slot] = query
        return held.transpose(1, 2).reshape(self.pictures, heads, self.most * length, width)

    def spread(self, mixed: torch.Tensor, length: int) -> torch.Tensor:
        """[N, H, most * T, d] as [R, H, T, d], T = `length`."""
        if self.most == 1 and len(self.at) == self.pictures:
            return mixed
        heads, width = mixed.shape[1], mixed.shape[3]
        apart = mixed.view(self.pictures, heads, self.most, length, width)
        return apart[self.at, :, self.slot]

    def keep(self, rows: torch.Tensor) -> tuple[_Sharing, torch.Tensor | None]:
        """Without the other rows; and the pictures to go on with where enough of them are gone."""
        import torch

        at = self.at[rows]
        pictures, renumbered = torch.unique(at, return_inverse=True)
        if len(pictures) > (1 - _GONE_SHARE) * self.pictures:
            return _Sharing.of(at, self.pictures), None
        return _Sharing.of(renumbered, len(pictures)), pictures
