"""Rules for how captioners are tuned: which steps there are, and what captions can teach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recap_assets.experiment.captioner_settings import Tune
    from recap_assets.experiment.config import Config


def tune_problems(config: Config) -> Iterator[str]:
    """Each contradiction in how captioners are tuned, as one line with its dotted place."""
    for name, captioner in config.captioners.items():
        if captioner.tune is not None:
            yield from _step_problems(f"captioners.{name}.tune", captioner.tune)
            yield from _lesson_problems(config, name)


def _step_problems(place: str, tune: Tune) -> Iterator[str]:
    for step in tune.checkpoints:
        if step > tune.steps:
            yield f"{place}.checkpoints: {step} is after the last of {tune.steps} steps; drop it"
    every = tune.validate_every
    if every is not None and every > tune.steps:
        yield f"{place}.validate_every: {every} is more than all {tune.steps} steps; lower it"
    if tune.patience is not None and every is None:
        yield f"{place}.patience: waits for scores that nobody takes; set validate_every"


def _lesson_problems(config: Config, name: str) -> Iterator[str]:
    for style in config.human.captions:
        mine = config.styles.get(style)
        if mine is not None and mine.captioner == name and not mine.picture:
            yield (
                f"styles.{style}.picture: false cannot be taught by captions of pictures; take "
                f"{style} out of human.captions, or give it a captioner without tune"
            )
