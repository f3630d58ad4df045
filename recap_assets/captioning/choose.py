"""Choosing the next token of each row: the likeliest one, or one drawn by the row's own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recap_assets.captioning.processors import Length, Processor, processors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Row:
    """How one caption is to be written.

    limit: most tokens. temperature: 0 takes the likeliest. seed, candidate: what the row's uniform
    numbers follow from, one for each step, whatever other rows there are.
    """

    limit: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    candidate: int = 0


class Chooser:
    """Chooses tokens for rows with prompts; one instance for one batch of rows."""

    def __init__(
        self,
        rows: Sequence[Row],
        prompts: Sequence[Sequence[int]],
        config: Any,
        ends: frozenset[int],
        device: torch.device,
    ) -> None:
        import torch

        kinds: dict[tuple[Length, float, float], list[int]] = {}
        for number, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
            length = Length(len(prompt), row.limit)
            kinds.setdefault((length, row.temperature, row.top_p), []).append(number)
        of = torch.zeros(len(rows), dtype=torch.long)
        self._groups: list[_Group] = []
        for (length, temperature, top_p), mine in kinds.items():
            of[mine] = len(self._groups)
            before = processors(config, ends, length, device)
            self._groups.append(_Group(before, temperature, top_p, mine, prompts, device))
        self._of = of.to(device)
        self._plain = all(group.plain for group in self._groups)
        drawn = max((row.limit for row in rows if row.temperature), default=0)
        self._uniforms = torch.from_numpy(uniforms(rows, drawn)).to(device)

    def __call__(
        self, logits: torch.Tensor, rows: torch.Tensor, said: torch.Tensor
    ) -> torch.Tensor:
        """The next token of each of `rows`, int64 [K], by numbers as they were given.

        logits: [K, V]. said: the tokens of all rows so far, int64 [R, steps].
        """
        import torch

        if self._plain:
            return logits.argmax(-1)
        scores = logits.to(torch.float32)
        chosen = torch.empty_like(rows)
        for number, group in enumerate(self._groups):
            mine = (self._of[rows] == number).nonzero().squeeze(1)
            if len(mine):
                asked = rows[mine]
                chosen[mine] = group.choose(scores[mine], asked, said[asked], self._uniforms)
        return chosen


class _Group:
    """Rows whose prompts are equally long and that are drawn in the same way."""

    def __init__(
        self,
        before: Sequence[Processor],
        temperature: float,
        top_p: float,
        rows: Sequence[int],
        prompts: Sequence[Sequence[int]],
        device: torch.device,
    ) -> None:
        import torch

        self.plain = not before and not temperature
        self._before, self._temperature, self._top_p = before, temperature, top_p
        self._prompts = torch.tensor([list(prompts[row]) for row in rows], device=device)
        self._place = torch.zeros(max(rows) + 1, dtype=torch.long, device=device)
        self._place[torch.tensor(rows, device=device)] = torch.arange(len(rows), device=device)

    def choose(
        self, scores: torch.Tensor, rows: torch.Tensor, said: torch.Tensor, uniforms: torch.Tensor
    ) -> torch.Tensor:
        import torch

        seen = torch.cat([self._prompts[self._place[rows]], said], dim=1)
        for process in self._before:
            scores = process(seen, scores)
        if not self._temperature:
            return scores.argmax(-1)
        for warp in warpers(self._temperature, self._top_p):
            scores = warp(seen, scores)
        return draw(scores, uniforms[rows, said.shape[1]])


def warpers(temperature: float, top_p: float) -> list[Processor]:
    """What sampling does to logits, as `generate` of transformers does it."""
    import transformers as hf

    found: list[Processor] = []
    if temperature != 1.0:
        found.append(hf.TemperatureLogitsWarper(temperature))
    if top_p < 1.0:
        found.append(hf.TopPLogitsWarper(top_p))
    return found


def draw(scores: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
    """A token for each row by its number in [0, 1): the inverse of the distribution function.

    scores: [K, V] logits, -inf for what cannot be. uniforms: float32 [K].
    """
    import torch

    reached = scores.softmax(-1).cumsum(-1)
    total = reached[:, -1:]
    # Rounding must not carry a number beyond the last token that can be.
    wanted = torch.minimum(uniforms[:, None] * total, torch.nextafter(total, total - 1))
    return torch.searchsorted(reached, wanted, right=True).squeeze(1)


def uniforms(rows: Sequence[Row], steps: int) -> np.ndarray:
    """float32 [R, steps] in [0, 1), a counter of its own for each row (Philox; Salmon 2011).

    The key is the row's seed and candidate, so that no other row, batch or step changes a number.
    """
    numbers = np.zeros((len(rows), steps), np.float32)
    for slot, row in zip(numbers, rows, strict=True):
        if row.temperature:
            bits = np.random.Philox(key=row.seed + (row.candidate << 64))
            slot[:] = np.random.Generator(bits).random(steps, dtype=np.float32)
    return numbers
