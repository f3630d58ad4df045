"""What the steps are fed with: pictures, noise and captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from recap_assets.diffusion.ahead import ahead
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.order import Draw, Draws, Order, Shown
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import Share

if TYPE_CHECKING:
    import torch

    from recap_assets.diffusion.texts import Texts


class Pictures(Protocol):
    """Scaled latents of all pictures; a tensor float32 [N, C, h, w] is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray) -> torch.Tensor:
        """The latents float32 [n, C, h, w] of some rows, int [n]."""
        ...


class Examples(NamedTuple):
    """What there is to learn from: pictures, the captions of an epoch, and how these are read."""

    pictures: Pictures
    draw: Draw
    texts: Texts


@dataclass(frozen=True)
class MicroBatch:
    """Some pictures of a step, on the CPU.

    latents, noise: float32 [n, C, h, w]. uniform: as `Draws.uniform`, [n]. texts: what
    `Texts.ready` made of their captions. weight: n over the pictures of the whole step.
    """

    latents: torch.Tensor
    noise: torch.Tensor
    uniform: torch.Tensor
    texts: dict[str, torch.Tensor]
    weight: float


class Fed(NamedTuple):
    """One step with this process's micro-batches."""

    step: int
    parts: list[MicroBatch]


class Feed:
    """Prepares steps; for a GPU the next one in a thread, while one computes.

    On a CPU the thread would bring OpenMP threads of its own, which take the cores from the step:
    half as slow again on two cores, for some milliseconds of work.
    """

    def __init__(
        self, family: Family, examples: Examples, settings: TrainSettings, share: Share
    ) -> None:
        self._examples, self._settings, self._share = examples, settings, share
        self.pictures = len(examples.pictures)
        self._order = Order(self.pictures, settings.batch, settings.seed, examples.draw)
        self._timesteps, self._apart = family.timesteps, family.device.type == "cuda"
        # The micro-batches of all processes together are those that were asked for.
        self._size = -(-settings.batch // (settings.accumulate * share.count))

    def steps(self, first: int, end: int) -> Iterator[Fed]:
        """The steps `first`, ..., `end` - 1.

        Raises:
            UserError: if no picture of a batch has a caption.
        """
        asked = range(first, end)
        return ahead(self._fed, asked) if self._apart else map(self._fed, asked)

    def left_out(self, steps: int) -> dict[int, int]:
        """The pictures without a caption, by epoch, of the epochs that so many steps began."""
        epochs = self._order.epochs(steps)
        return {epoch: n for epoch, n in self._order.left_out.items() if epoch < epochs}

    def restore(self, left_out: Mapping[int, int]) -> None:
        """Take what earlier steps, which are not asked for again, left out."""
        self._order.left_out.update(left_out)

    def _fed(self, step: int) -> Fed:
        batch = self._order.batch(step)
        mine = self._share.mine(batch)
        # With nothing to do a process goes through one picture all the same, for no weight, since
        # the others wait for its gradients.
        if not mine:
            return Fed(step, [self._part(batch[:1], step, 0.0)])
        parts = [mine[at : at + self._size] for at in range(0, len(mine), self._size)]
        return Fed(step, [self._part(part, step, len(part) / len(batch)) for part in parts])

    def _part(self, shown: Sequence[Shown], step: int, weight: float) -> MicroBatch:
        rows = [row for row, _ in shown]
        latents = self._examples.pictures[np.array(rows)]
        how = self._settings
        shape = tuple(latents.shape[1:])
        draws = Draws.of(rows, step, how.seed, shape, self._timesteps, how.prompt_dropout)
        captions = [
            "" if dropped else caption
            for (_, caption), dropped in zip(shown, draws.dropped, strict=True)
        ]
        ready = self._examples.texts.ready(captions)
        return MicroBatch(
            self._staged(latents),
            self._staged(draws.noise),
            draws.uniform,
            {name: self._staged(tensor) for name, tensor in ready.items()},
            weight,
        )

    def _staged(self, tensor: torch.Tensor) -> torch.Tensor:
        """In memory that a GPU copies from while it computes."""
        return tensor.pin_memory() if self._apart else tensor
