"""A training under way: weights, optimizer, average, losses, and one step after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recap_assets.diffusion.average import Average
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import Examples, Fed, Feed
from recap_assets.diffusion.losses import Losses, Report
from recap_assets.diffusion.objective import Objective
from recap_assets.diffusion.optimizer import Optimizer
from recap_assets.diffusion.parts import Trainable
from recap_assets.diffusion.saves import State
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import Share
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Record:
    """What a training has done so far.

    losses: of each step. pictures: how many there are. dropped: those without a caption, on average
    over the epochs that were begun. seconds: how long it took, with the runs that it went on from.
    """

    losses: list[float]
    pictures: int
    dropped: int
    seconds: float

    @property
    def steps(self) -> int:
        """How many steps were done."""
        return len(self.losses)


class Run:
    """Starts before the first step, or after the last one of the state that it is given."""

    def __init__(
        self,
        family: Family,
        examples: Examples,
        settings: TrainSettings,
        report: Report | None,
        share: Share,
    ) -> None:
        self._family, self._settings, self._share = family, settings, share
        self._weights = Trainable(family, settings)
        share.same([p.data for p in self._weights.parameters.values()])
        self._optimizer = Optimizer(self._weights.parameters, settings)
        self._average = Average(list(self._weights.parameters.values()), settings.ema)
        self._objective = Objective(family, examples.texts, settings)
        self._feed = Feed(family, examples, settings, share)
        self._losses = Losses(report)
        self._done, self._earlier = 0, 0.0
        self._started = time.monotonic()

    def steps(self, until: int) -> Iterator[int]:
        """Train on, and tell after each step how many are done."""
        import torch

        device = self._family.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            for fed in self._feed.steps(self._done, until):
                torch.manual_seed(
                    seed_of("chance", self._settings.seed, fed.step, self._share.rank)
                )
                self._step(fed)
                yield self._done

    def _step(self, fed: Fed) -> None:
        import torch

        total = torch.zeros((), device=self._family.device)
        for part in fed.parts:
            loss = self._objective(part) * part.weight
            loss.backward()
            total += loss.detach()
        self._share.add([*self._optimizer.gradients(), total])
        self._optimizer.step(fed.step)
        self._done = fed.step + 1
        self._average.step(self._done)
        self._losses.add(total)

    def averaged(self) -> AbstractContextManager[None]:
        """A block within which the weights are their average, if one is kept."""
        return self._average.applied()

    def end(self) -> None:
        """Make the average the weights, and leave training mode."""
        self._average.copy_back()
        self._weights.freeze()

    def record(self) -> Record:
        """What was done so far. Raises as `Losses.fetch`."""
        self._losses.fetch()
        left_out = self._feed.left_out(self._done).values()
        seconds = self._earlier + time.monotonic() - self._started
        dropped = round(sum(left_out) / max(1, len(left_out)))
        return Record(list(self._losses.known), self._feed.pictures, dropped, seconds)

    def state(self) -> State:
        """Everything that the next step goes by. Raises as `Losses.fetch`."""
        record = self.record()
        names = self._weights.parameters
        tensors = {f"weight.{name}": parameter.data for name, parameter in names.items()}
        tensors |= self._optimizer.state()
        if self._average.shadow:
            averages = zip(names, self._average.shadow, strict=True)
            tensors |= {f"average.{name}": tensor for name, tensor in averages}
        left_out = self._feed.left_out(self._done)
        return State(self._done, tensors, record.losses, left_out, record.seconds)

    def restore(self, state: State) -> None:
        """Go on from `state`.

        Raises:
            UserError: if it is of other weights than these.
        """
        import torch

        parameters = self._weights.parameters
        _check(state, parameters)
        saved = [state.tensors[f"weight.{name}"] for name in parameters]
        torch._foreach_copy_([p.data for p in parameters.values()], saved)
        if self._average.shadow:
            average = [state.tensors[f"average.{name}"] for name in parameters]
            torch._foreach_copy_(self._average.shadow, average)
        self._optimizer.restore(state.tensors, state.step)
        self._feed.restore(state.left_out)
        self._losses.known[:] = state.losses
        self._done, self._earlier = state.step, state.seconds


def _check(state: State, parameters: Mapping[str, torch.nn.Parameter]) -> None:
    for name, parameter in parameters.items():
        saved = state.tensors.get(f"weight.{name}")
        if saved is None or saved.shape != parameter.shape:
            raise UserError(
                f"saved training: its weight {name} is not that of the model; delete the save, and "
                "training starts again"
            )
