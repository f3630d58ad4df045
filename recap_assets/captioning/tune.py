"""Fine-tuning a captioner on human captions, and how well it then says what people said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recap_assets.captioning import examples
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.examples import Examples
from recap_assets.captioning.score import Scores
from recap_assets.captioning.stopping import Standing, Stopping
from recap_assets.captioning.student import Student
from recap_assets.captioning.train import train
from recap_assets.captioning.validate import Judge, Validation
from recap_assets.experiment.captioner_settings import Tune
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of

#: Writes weights into a folder.
Save = Callable[[Path], None]


@dataclass(frozen=True)
class TuneResult:
    """What came of tuning.

    save: writes the tuned weights: a model's folder, or an adapter's in peft's layout.
    losses: of each step that was done.
    validation, before: scores by style after and before tuning.
    standings: after steps of `validate_every`; stopping: what came of `patience`, if it was set.
    """

    captioner: Captioner
    save: Save
    losses: list[float]
    validation: dict[str, Scores]
    before: dict[str, Scores]
    standings: list[Standing]
    stopping: str | None


def tune(
    base: Captioner,
    human: pl.DataFrame,
    styles: Sequence[str],
    how: Tune,
    *,
    judge: Judge | None = None,
    keep: Callable[[int, Save], None] = lambda step, save: None,
    progress: Callable[[int, float], None] | None = None,
) -> TuneResult:
    """Train a copy of `base` on the train split and score it on the validation split.

    Args:
        human: columns uid, style, prompt (what the captioner is asked), caption, split ("train" or
            "validation") and image (encoded bytes). The order of its rows does not matter.
        styles: those to learn, in turn; rows of others are left out.
        judge: adds numbers to the scores.
        keep: called after each of `how.checkpoints` with the step and what writes its weights.

    The rate warms up over the first tenth of the steps. A style without validation rows has no
    scores.

    Raises:
        UserError: if a style has no captions to train on, a picture cannot be decoded, or the model
            has no place for an adapter.
    """
    learn = examples.select(human, styles, "train")
    for style in styles:
        if not learn.styles[style]:
            raise UserError(
                f"style {style!r}: no human captions to train on; write some, or name another style"
            )
    validation = Validation(examples.select(human, styles, "validation"), judge)
    student = Student.of(base, how)
    stopping = Stopping(student, validation, how)

    def watch(step: int) -> bool:
        if step in how.checkpoints:
            keep(step, student.save)
        return stopping(step)

    losses = _learn(student, learn, how, progress, watch)
    stopping.finish()
    student.finish()
    before, after = (validation.scores(captioner) for captioner in (base, student.captioner))
    return TuneResult(
        student.captioner, student.save, losses, after, before, stopping.standings, stopping.told()
    )


def _learn(
    student: Student,
    learn: Examples,
    how: Tune,
    progress: Callable[[int, float], None] | None,
    watch: Callable[[int], bool],
) -> list[float]:
    return train(
        student.captioner,
        examples.batches(student.captioner, learn, how.batch, how.seed),
        lr=how.lr,
        steps=how.steps,
        warmup=how.steps // 10,
        dropout=how.dropout,
        seed=seed_of("captioner dropout", how.seed),
        modules=student.modules,
        arithmetic=student.arithmetic,
        progress=progress,
        watch=watch,
    )
