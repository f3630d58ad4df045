"""Scores a student as it learns, keeps the weights of its best score, and says when to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from recap_assets.captioning.student import Snapshot, Student
from recap_assets.captioning.validate import Validation
from recap_assets.experiment.captioner_settings import Tune


class Standing(NamedTuple):
    """How a student stood after a step: mean CIDEr over styles, if any has one, and loss."""

    step: int
    cider: float | None
    loss: float

    def beats(self, other: Standing) -> bool:
        """More CIDEr; with as much of it, or none, less loss."""
        mine, theirs = self.cider or 0.0, other.cider or 0.0
        return mine > theirs or (mine == theirs and self.loss < other.loss)


@dataclass
class Stopping:
    """The standings so far; only settings that ask for `patience` stop early or keep the best.

    `best` is the standing of the weights that `kept` has.
    """

    student: Student
    validation: Validation
    how: Tune
    standings: list[Standing] = field(default_factory=list)
    best: Standing | None = None
    kept: Snapshot = field(default_factory=list)

    def __call__(self, step: int) -> bool:
        """Take the standing if it is time to, and whether tuning should stop at this step.

        It goes on to the last of `checkpoints` in any case, for styles ask for them.
        """
        if not self._due(step):
            return False
        standing = self._standing(step)
        self.standings.append(standing)
        if self.how.patience is None:
            return False
        if self.best is None or standing.beats(self.best):
            self.best, self.kept = standing, self.student.snapshot()
        return self._failures() >= self.how.patience and step >= max(
            self.how.checkpoints, default=0
        )

    def finish(self) -> None:
        """Give the student its best weights."""
        if self.best is not None:
            self.student.restore(self.kept)

    def told(self) -> str | None:
        """In a sentence or two what came of `patience`; None where it was not asked for."""
        if self.how.patience is None:
            return None
        if self.best is None:
            return "No early stopping: no human captions are held out for validation."
        last = self.standings[-1].step
        by = "validation loss, for the captions do not differ enough for CIDEr"
        by = by if self.best.cider is None else "mean CIDEr of the styles, then validation loss"
        end = f"after step {last}" if last < self.how.steps else f"after all {last} steps"
        return f"Tuning ended {end}; the weights are those of step {self.best.step}, best by {by}."

    def _due(self, step: int) -> bool:
        every = self.how.validate_every
        if every is None or not self.validation.styles:
            return False
        return step % every == 0 or step == self.how.steps

    def _standing(self, step: int) -> Standing:
        with self.student.ready() as captioner:
            scores = self.validation.scores(captioner)
            loss = self.validation.loss(captioner, self.how.batch)
        known = [value for one in scores.values() if (value := one["cider"]) is not None]
        return Standing(step, sum(known) / len(known) if known else None, loss)

    def _failures(self) -> int:
        """Standings since the best one."""
        assert self.best is not None
        return len(self.standings) - 1 - self.standings.index(self.best)
