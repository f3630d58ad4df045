"""Choosing the tokens of many rows at once, from pictures that are already encoded."""

from __future__ import annotations

from collections.abc import Sequence

from recap_assets.captioning.families.family import Decoding

# Rows that are done leave the batch when at least this share of it is: moving the others costs too.
_DONE_SHARE = 0.25


def greedy(decoding: Decoding, ends: frozenset[int], limits: Sequence[int]) -> list[list[int]]:
    """The tokens of each row, at most `limits[r]` of row r, those of `ends` included.

    The tokens are those that `generate` of transformers gives for one beam without sampling; rows
    that are done cost nothing more.
    """
    import torch

    device = decoding.logits.device
    most = torch.tensor(limits, device=device)
    stop = torch.tensor(sorted(ends), device=device)
    rows = torch.arange(len(limits), device=device)
    tokens = torch.zeros((len(limits), max(limits)), dtype=torch.long, device=device)
    lengths = torch.zeros_like(most)
    done = most <= 0
    for step in range(max(limits)):
        chosen = decoding.logits.argmax(-1)
        tokens[rows, step] = chosen
        lengths[rows[~done]] = step + 1
        done |= torch.isin(chosen, stop) | (step + 1 >= most[rows])
        left = int((~done).sum())
        if left == 0:
            break
        if left <= (1 - _DONE_SHARE) * len(done):
            keep = (~done).nonzero().squeeze(1)
            rows, chosen, done = rows[keep], chosen[keep], done[keep]
            decoding.keep(keep)
        decoding.step(chosen)
    return [row[:n] for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]
