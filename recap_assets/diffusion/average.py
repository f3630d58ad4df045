"""An exponential moving average of the weights that are trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Average:
    """The average of `parameters`, or nothing at all when the decay is zero.

    The decay of step n is min(`decay`, n / (9 + n)), 0 for the first step, as `EMAModel` of
    diffusers has it: short trainings forget their start soon. `shadow` holds the average.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], decay: float) -> None:
        self._parameters = [p.data for p in parameters] if decay else []
        self._decay = decay
        self.shadow = [p.clone() for p in self._parameters]

    def step(self, done: int) -> None:
        """Take the weights in after `done` steps of training."""
        import torch

        if self.shadow:
            kept = min(done / (9 + done), self._decay) if done > 1 else 0.0
            far = torch._foreach_sub(self.shadow, self._parameters)
            torch._foreach_mul_(far, 1 - kept)
            torch._foreach_sub_(self.shadow, far)

    def copy_back(self) -> None:
        """Make the average the weights."""
        import torch

        if self.shadow:
            torch._foreach_copy_(self._parameters, self.shadow)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the weights are the average; training goes on with what they were."""
        import torch

        own = [p.clone() for p in self._parameters]
        self.copy_back()
        try:
            yield
        finally:
            if own:
                torch._foreach_copy_(self._parameters, own)
