"""The loss of every step, fetched from the device now and then: to fetch is to wait for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from recap_assets.experiment.errors import UserError

if TYPE_CHECKING:
    import torch

#: Hears of each step and its loss, in order and a moment later.
Report = Callable[[int, float], None]
_EVERY = 0.5


class Losses:
    """`known` are the losses fetched so far, step by step."""

    def __init__(self, report: Report | None, known: Sequence[float] = ()) -> None:
        self._report, self.known = report, list(known)
        self._waiting: list[torch.Tensor] = []
        self._fetched = time.monotonic()

    def add(self, loss: torch.Tensor) -> None:
        """Take the loss of the next step, a tensor without dimensions."""
        self._waiting.append(loss)
        if time.monotonic() - self._fetched >= _EVERY:
            self.fetch()

    def fetch(self) -> None:
        """Wait for all losses and report them.

        Raises:
            UserError: if one is not a number: nothing can be learnt from then on.
        """
        import torch

        found = torch.stack(self._waiting).tolist() if self._waiting else []
        self._waiting, self._fetched = [], time.monotonic()
        for loss in found:
            step = len(self.known)
            if not math.isfinite(loss):
                raise UserError(
                    f"training step {step}: the loss is {loss}; lower t2i.lr, lengthen t2i.warmup "
                    "or train with t2i.precision: fp32"
                )
            self.known.append(loss)
            if self._report:
                self._report(step, loss)
