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

    def to(self, device: torch.device) -> Rows:
        """The same on a device."""
        return Rows(self.ids.to(device), self.mask.to(device))


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


class Lesson(NamedTuple):
    """What a model is shown, right-padded, and the tokens that it is to learn, int64 [R, L]."""

    rows: Rows
    labels: torch.Tensor


def lesson(
    heads: Sequence[Sequence[int]],
    tails: Sequence[Sequence[int]],
    end: int,
    most: int,
    token: int,
    device: torch.device,
) -> Lesson:
    """Each head, its tail and `end`, of which the head is not learned, filled up with `token`.

    A row keeps its first `most` tokens, so that a cut caption does not teach to stop.
    """
    full = [[*head, *tail, end][:most] for head, tail in zip(heads, tails, strict=True)]
    rows = pad(full, token, "right").to(device)
    return Lesson(rows, labels(rows, [len(head) for head in heads]))


def labels(rows: Rows, heads: Sequence[int]) -> torch.Tensor:
    """The tokens to be learned of right-padded rows: -100 for padding and the first `heads[r]`."""
    import torch

    place = torch.arange(rows.ids.shape[1], device=rows.ids.device)
    learned = (place >= place.new_tensor(heads)[:, None]) & (rows.mask == 1)
    return rows.ids.masked_fill(~learned, IGNORED)
