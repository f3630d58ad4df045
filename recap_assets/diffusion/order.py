"""Which pictures, captions and noise a training step sees: decided by seeds, alike in every arm."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of

if TYPE_CHECKING:
    import torch

#: For an epoch, the row of the tokenized captions that each picture is shown with; -1 for none.
Draw = Callable[[int], np.ndarray]


class Order:
    """The pictures step by step, freshly shuffled every epoch."""

    def __init__(self, pictures: int, batch: int, seed: int, draw: Draw) -> None:
        self._pictures, self._batch, self._seed, self._draw = pictures, batch, seed, draw
        self._epoch = -1

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the pictures and of their captions; a picture without a caption is left out.

        Raises:
            UserError: if no picture of the batch has a caption.
        """
        positions = range(step * self._batch, (step + 1) * self._batch)
        kept = np.array([pair for pair in map(self._at, positions) if pair[1] >= 0])
        if not len(kept):
            raise UserError(
                f"training step {step}: none of its {self._batch} pictures has a caption to train "
                "on; caption_audit says why, and t2i.over_limit: truncate keeps too long captions"
            )
        return kept[:, 0], kept[:, 1]

    def _at(self, position: int) -> tuple[int, int]:
        epoch, offset = divmod(position, self._pictures)
        if epoch != self._epoch:
            rng = np.random.default_rng(seed_of("order", self._seed, epoch))
            self._epoch, self._rows = epoch, rng.permutation(self._pictures)
            self._captions = self._draw(epoch)
        row = int(self._rows[offset])
        return row, int(self._captions[row])


class Draws:
    """Time steps, dropped prompts and noise of one step, drawn for each picture on its own.

    A picture that one arm leaves out therefore shifts no other picture's noise in that arm.

    uniform: float64 [N] in [0, 1), which decides the time step; one of `timesteps` values, the
        middles of so many equal parts, or any where that is None.
    dropped: bool [N]. noise: float32 [N, *shape].
    """

    def __init__(
        self,
        rows: np.ndarray,
        step: int,
        seed: int,
        shape: tuple[int, ...],
        timesteps: int | None,
        dropout: float,
    ) -> None:
        import torch

        generators = [
            np.random.Generator(np.random.Philox(seed_of("noise", seed, step, row))) for row in rows
        ]
        uniform = [_uniform(generator, timesteps) for generator in generators]
        self.uniform: torch.Tensor = torch.tensor(uniform, dtype=torch.float64)
        self.dropped = np.array([generator.random() < dropout for generator in generators])
        noise = [generator.standard_normal(shape, np.float32) for generator in generators]
        self.noise: torch.Tensor = torch.from_numpy(np.stack(noise))


def _uniform(generator: np.random.Generator, timesteps: int | None) -> float:
    if timesteps is None:
        return float(generator.random())
    return (int(generator.integers(timesteps)) + 0.5) / timesteps
