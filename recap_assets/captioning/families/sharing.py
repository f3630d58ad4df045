"""Which rows of a decoding look at which picture, so that a picture's rows look at it together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# Pictures without rows leave memory when at least this share of it is theirs.
_GONE_SHARE = 0.25


@dataclass(frozen=True)
class Grid:
    """Every picture has the same number of rows, next to each other."""

    pictures: int
    most: int

    def gather(self, query: torch.Tensor) -> torch.Tensor:
        """Queries of rows [R, H, T, d] as those of pictures, [N, H, most * T, d]."""
        _, heads, length, width = query.shape
        apart = query.view(self.pictures, self.most, heads, length, width)
        return apart.transpose(1, 2).reshape(self.pictures, heads, self.most * length, width)

    def spread(self, mixed: torch.Tensor, length: int) -> torch.Tensor:
        """[N, H, most * T, d] as [R, H, T, d], T = `length`."""
        heads, width = mixed.shape[1], mixed.shape[3]
        apart = mixed.view(self.pictures, heads, self.most, length, width)
        return apart.transpose(1, 2).reshape(self.pictures * self.most, heads, length, width)


@dataclass(frozen=True)
class Ragged:
    """Pictures have different numbers of rows, `grid.most` at the most.

    at: the picture of each row, ascending. slot: its number among the picture's, int64 [R] each.
    """

    at: torch.Tensor
    slot: torch.Tensor
    grid: Grid

    @classmethod
    def of(cls, at: torch.Tensor, pictures: int) -> Ragged:
        """From the picture of each row, ascending, of so many pictures."""
        import torch

        counts = torch.bincount(at, minlength=pictures)
        first = counts.cumsum(0) - counts
        slot = torch.arange(len(at), device=at.device) - first[at]
        return cls(at, slot, Grid(pictures, int(counts.max())))

    def gather(self, query: torch.Tensor) -> torch.Tensor:
        """As `Grid.gather`; rows that a picture has not ask nothing."""
        if self._full:
            return self.grid.gather(query)
        cells = query.new_zeros(self.grid.pictures * self.grid.most, *query.shape[1:])
        cells[self.cells] = query
        return self.grid.gather(cells)

    def spread(self, mixed: torch.Tensor, length: int) -> torch.Tensor:
        """As `Grid.spread`."""
        rows = self.grid.spread(mixed, length)
        return rows if self._full else rows[self.cells]

    @property
    def cells(self) -> torch.Tensor:
        """The place of each row in the grid, int64 [R]."""
        return self.at * self.grid.most + self.slot

    @property
    def _full(self) -> bool:
        return len(self.at) == self.grid.pictures * self.grid.most

    def keep(self, rows: torch.Tensor) -> tuple[Ragged, torch.Tensor | None]:
        """Without the other rows; and the pictures to go on with where enough of them are gone."""
        import torch

        at = self.at[rows]
        pictures, renumbered = torch.unique(at, return_inverse=True)
        if len(pictures) > (1 - _GONE_SHARE) * self.grid.pictures:
            return Ragged.of(at, self.grid.pictures), None
        return Ragged.of(renumbered, len(pictures)), pictures
