"""BLIP's text decoder for many rows at once, each as long as it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recap_assets.captioning.families.blip_layer import Cache, New, forward
from recap_assets.captioning.families.family import Decoding
from recap_assets.captioning.families.padding import pad
from recap_assets.captioning.families.sharing import Ragged

if TYPE_CHECKING:
    import torch


class TextDecoding(Decoding):
    """Rows of a text decoder, row r about picture `at[r]` of `encoded` [N, L, D], ascending.

    At most `limit` tokens follow the prompts.
    """

    def __init__(
        self,
        decoder: Any,
        encoded: torch.Tensor,
        at: torch.Tensor,
        prompts: Sequence[Sequence[int]],
        limit: int,
    ) -> None:
        self.prompts = prompts
        self._decoder = decoder
        rows = pad(prompts, int(decoder.config.pad_token_id), "left")
        self._mask = rows.mask.to(encoded.device)
        self._sharing = Ragged.of(at.to(encoded.device), len(encoded))
        size = (len(prompts), rows.ids.shape[1] + limit)
        self._caches = [Cache.of(layer, encoded, *size) for layer in decoder.bert.encoder.layer]
        self._start = 0
        self._forward(rows.ids.to(encoded.device))

    def step(self, tokens: torch.Tensor) -> None:
        import torch

        self._mask = torch.nn.functional.pad(self._mask, (0, 1), value=1)
        self._forward(tokens[:, None])

    def keep(self, rows: torch.Tensor) -> None:
        self._mask = self._mask[rows]
        self._sharing, pictures = self._sharing.keep(rows)
        self._caches = [_kept(cache, rows, pictures) for cache in self._caches]

    def _forward(self, ids: torch.Tensor) -> None:
        """Append tokens int64 [R, T] and renew the logits."""
        import torch

        stop = self._mask.shape[1]
        places = torch.arange(self._start, stop, device=ids.device)
        new = New(places, stop, looks(self._mask == 1, self._start))
        own = (self._mask.cumsum(-1) - 1).clamp(min=0)[:, self._start :]
        states = self._decoder.bert.embeddings(input_ids=ids, position_ids=own)
        for layer, cache in zip(self._decoder.bert.encoder.layer, self._caches, strict=True):
            states = forward(layer, states, cache, new, self._sharing)
        self.logits = self._decoder.cls(states[:, -1:])[:, -1]
        self._start = stop


def looks(there: torch.Tensor, start: int) -> torch.Tensor | None:
    """bool [R, 1, T, L]: what tokens from place `start` look at, None where it is everything.

    there: bool [R, L], False where a row is padded on its left.
    """
    import torch

    length = there.shape[1]
    if start == length - 1 and bool(there.all()):
        return None
    square = torch.ones((length, length), dtype=torch.bool, device=there.device)
    # Padding looks at itself, for of nothing there is no mean.
    own = torch.eye(length, dtype=torch.bool, device=there.device)
    return ((there[:, None] & square.tril()) | own)[:, None, start:]


def _kept(cache: Cache, rows: torch.Tensor, pictures: torch.Tensor | None) -> Cache:
    shown = (cache.shown_keys, cache.shown_values)
    if pictures is not None:
        shown = (shown[0][pictures], shown[1][pictures])
    return Cache(cache.keys[rows], cache.values[rows], *shown)
