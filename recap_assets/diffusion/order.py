"""Which pictures, captions and noise a training step sees: decided by seeds, alike in every arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of

if TYPE_CHECKING:
    import torch

#: For an epoch, the caption that each picture is shown with; None for none.
Draw = Callable[[int], Sequence[str | None]]
#: A picture's row and the caption it is shown with.
Shown = tuple[int, str]


class Order:
    """The pictures step by step, freshly shuffled every epoch.

    left_out: how many pictures had no caption, by epoch, of the epochs that were begun.
    """

    def __init__(self, pictures: int, batch: int, seed: int, draw: Draw) -> None:
        self._pictures, self._batch, self._seed, self._draw = pictures, batch, seed, draw
        self._epoch = -1
        self.left_out: dict[int, int] = {}

    def batch(self, step: int) -> list[Shown]:
        """The pictures of a step; one without a caption is left out.

        Raises:
            UserError: if no picture of the batch has a caption.
        """
        positions = range(step * self._batch, (step + 1) * self._batch)
        kept = [shown for position in positions if (shown := self._at(position)) is not None]
        if not kept:
            raise UserError(
                f"training step {step}: none of its {self._batch} pictures has a caption to train "
                "on; caption_audit says why, and t2i.over_limit: truncate keeps too long captions"
            )
        return kept

    def epochs(self, steps: int) -> int:
        """How many epochs so many steps begin."""
        return -(-steps * self._batch // self._pictures)

    def _at(self, position: int) -> Shown | None:
        epoch, offset = divmod(position, self._pictures)
        if epoch != self._epoch:
            rng = np.random.default_rng(seed_of("order", self._seed, epoch))
            self._epoch, self._rows = epoch, rng.permutation(self._pictures)
            self._captions = self._draw(epoch)
            self.left_out[epoch] = sum(caption is None for caption in self._captions)
        row = int(self._rows[offset])
        caption = self._captions[row]
        return None if caption is None else (row, caption)


@dataclass(frozen=True)
class Draws:
    """Time steps, dropped prompts and noise of one step, drawn for each picture on its own.

    A picture that one arm leaves out therefore shifts no other picture's noise in that arm.

    uniform: float64 [N] in [0, 1), which decides the time step; one of `timesteps` values, the
        middles of so many equal parts, or any where that is None.
    dropped: bool [N]. noise: float32 [N, *shape].
    """

    uniform: torch.Tensor
    dropped: np.ndarray
    noise: torch.Tensor

    @classmethod
    def of(
        cls,
        rows: Sequence[int],
        step: int,
        seed: int,
        shape: tuple[int, ...],
        timesteps: int | None,
        dropout: float,
    ) -> Draws:
        """The draws for the pictures `rows`."""
        import torch

        generators = [
            np.random.Generator(np.random.Philox(seed_of("noise", seed, step, row))) for row in rows
        ]
        uniform = [_uniform(generator, timesteps) for generator in generators]
        dropped = np.array([generator.random() < dropout for generator in generators])
        noise = [generator.standard_normal(shape, np.float32) for generator in generators]
        return cls(
            torch.tensor(uniform, dtype=torch.float64), dropped, torch.from_numpy(np.stack(noise))
        )


def _uniform(generator: np.random.Generator, timesteps: int | None) -> float:
    if timesteps is None:
        return float(generator.random())
    return (int(generator.integers(timesteps)) + 0.5) / timesteps
