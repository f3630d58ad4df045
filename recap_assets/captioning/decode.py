"""Greedy decoding after a shared prefix, from pictures that are already encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Rows that are done leave the batch when at least this share of it is: moving the others costs too.
_DONE_SHARE = 0.25


def greedy(
    decoder: Any, encoded: torch.Tensor, prefix: list[int], end: int, limit: int
) -> list[list[int]]:
    """The tokens after `prefix` for each row of `encoded` [N, L, D], at most `limit` of each.

    A row that ended by itself has `end` as its last token. The tokens are those that `generate` of
    transformers gives for one beam without sampling; keys and values are cached, and rows that are
    done cost nothing more.
    """
    import torch
    from transformers import DynamicCache, EncoderDecoderCache

    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    rows = torch.arange(len(encoded), device=encoded.device)
    ids = torch.tensor([prefix], device=encoded.device).expand(len(encoded), -1)
    tokens = torch.full((len(encoded), limit), end, device=encoded.device)
    done = torch.zeros(len(encoded), dtype=torch.bool, device=encoded.device)
    for step in range(limit):
        output = decoder(
            input_ids=ids,
            encoder_hidden_states=encoded,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        chosen = output.logits[:, -1].argmax(-1)
        tokens[rows, step] = chosen.masked_fill(done, end)
        done |= chosen == end
        left = int((~done).sum())
        if left == 0:
            break
        if left <= (1 - _DONE_SHARE) * len(done):
            keep = (~done).nonzero().squeeze(1)
            rows, chosen, done, encoded = rows[keep], chosen[keep], done[keep], encoded[keep]
            cache.batch_select_indices(keep)
        ids = chosen.unsqueeze(1)
    return [_until(row, end) for row in tokens.tolist()]


def _until(row: list[int], end: int) -> list[int]:
    """The row up to and with its first `end`."""
    return row[: row.index(end) + 1] if end in row else row
