"""Rows of tokens of different lengths as one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import torch

IGNORED = -100


class Rows(NamedTuple):
    """int64 [R, L] each: tokens, and 1 where there is one."""

    ids: torch.Tensor
    mask: torch.Tensor


def pad(rows: Sequence[Sequence[int]], token: int, side: Literal["left", "right"]) -> Rows:
    """The rows on the CPU, each filled up with `token` on one side to the longest one's length."""
    import torch

    width = max(map(len, rows))
    ids = torch.full((len(rows), width), token)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        place = slice(0, len(row)) if side == "right" else slice(width - len(row), width)
        ids[i, place] = torch.tensor(row, dtype=torch.long)
        mask[i, place] = 1
    return Rows(ids, mask)


def labels(rows: Rows, heads: Sequence[int]) -> torch.Tensor:
    """The tokens to be learned of right-padded rows: -100 for padding and the first `heads[r]`."""
    import torch

    place = torch.arange(rows.ids.shape[1])
    learned = (place >= torch.tensor(heads)[:, None]) & (rows.mask == 1)
    return rows.ids.masked_fill(~learned, IGNORED)
