"""How several processes act as one: whose pictures are whose, and how gradients become one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class Share:
    """The part of process `rank` among `count` that share each batch; here the only one.

    All processes go through the same steps with the same weights. Several of them are a
    `group.Group`, which overrides `same` and `add`.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def mine(self, batch: Sequence[T]) -> Sequence[T]:
        """This process's part of what belongs to a whole batch."""
        return batch[self.rank :: self.count]

    def same(self, tensors: Sequence[torch.Tensor]) -> None:
        """Make each tensor what it is in the first process."""

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace each tensor by its sum over all processes, the same in every one of them."""


ALONE = Share()
