"""Writing many captions at once, token by token: one loop for every family, style and candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from recap_assets.captioning.choose import Chooser, Row
from recap_assets.captioning.families.family import Decoding

if TYPE_CHECKING:
    import torch

# Rows that are done leave the batch when at least this share of it is: moving the others costs too.
_DONE_SHARE = 0.25


class Written(NamedTuple):
    """The tokens of a row, that which ended it included, and the mean of their log-probabilities.

    The probabilities are the model's own, before penalties and temperature.
    """

    tokens: list[int]
    score: float


def write(
    decoding: Decoding, rows: Sequence[Row], ends: frozenset[int], config: Any
) -> list[Written]:
    """The tokens of each row of `decoding`, as `rows` asks for them.

    config: the model's GenerationConfig. Rows without temperature have the tokens that `generate`
    of transformers gives for one beam without sampling; rows that are done cost nothing more.
    """
    choose = Chooser(rows, decoding.prompts, config, ends, decoding.logits.device)
    page = _Page(rows, ends, decoding.logits.device)
    while True:
        chosen = choose(decoding.logits, page.active, page.said)
        page.put(chosen, decoding.logits)
        keep = page.leave()
        if not len(page.active):
            return page.written()
        if keep is not None:
            chosen = chosen[keep]
            decoding.keep(keep)
        decoding.step(chosen)


class _Page:
    """What all rows have said so far, and which of them go on.

    active: the rows that are still in the decoding, int64 [K], some of them perhaps done.
    """

    def __init__(self, rows: Sequence[Row], ends: frozenset[int], device: torch.device) -> None:
        import torch

        self.step = 0
        self.active = torch.arange(len(rows), device=device)
        self._limits = torch.tensor([row.limit for row in rows], device=device)
        self._ends = torch.tensor(sorted(ends), device=device)
        self._scored = any(row.candidate for row in rows)
        shape = (len(rows), max(row.limit for row in rows))
        self._tokens = torch.zeros(shape, dtype=torch.long, device=device)
        self._scores = torch.zeros(shape, device=device)
        self._lengths = torch.zeros_like(self._limits)
        self._done = torch.zeros(len(rows), dtype=torch.bool, device=device)

    @property
    def said(self) -> torch.Tensor:
        """The tokens of all rows so far, int64 [R, steps]; those of rows that are done run on."""
        return self._tokens[:, : self.step]

    def put(self, chosen: torch.Tensor, logits: torch.Tensor) -> None:
        """Append a token to each active row, int64 [K], chosen by logits [K, V]."""
        import torch

        self._tokens[self.active, self.step] = chosen
        if self._scored:
            chances = logits.float().log_softmax(-1)
            self._scores[self.active, self.step] = chances.gather(1, chosen[:, None]).squeeze(1)
        self._lengths[self.active] += ~self._done
        self.step += 1
        self._done |= torch.isin(chosen, self._ends) | (self.step >= self._limits[self.active])

    def leave(self) -> torch.Tensor | None:
        """Let rows that are done go if they are many: the places of those that stay, int64."""
        keep = (~self._done).nonzero().squeeze(1)
        if len(keep) > (1 - _DONE_SHARE) * len(self.active):
            return None
        self.active, self._done = self.active[keep], self._done[keep]
        return keep

    def written(self) -> list[Written]:
        """The rows in the order they were asked for."""
        import torch

        places = torch.arange(self._tokens.shape[1], device=self._lengths.device)
        mine = self._scores.masked_fill(places >= self._lengths[:, None], 0.0)
        means = (mine.sum(1) / self._lengths).tolist()
        told = zip(self._tokens.tolist(), self._lengths.tolist(), means, strict=True)
        return [Written(tokens[:length], mean) for tokens, length, mean in told]
