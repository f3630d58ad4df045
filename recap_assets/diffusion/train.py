"""Trains a latent-diffusion pipeline on captions: one arm of the comparison, or the base model.

Image order, noise, time steps and dropped prompts depend on the seed and the step alone, so arms
that differ in their captions see everything else alike (paired arms need fewer samples), and a
training that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from recap_assets.diffusion.compiling import compiling
from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.feed import Examples
from recap_assets.diffusion.losses import Report
from recap_assets.diffusion.memory import enough_memory
from recap_assets.diffusion.run import Record, Run
from recap_assets.diffusion.saves import Saves
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import ALONE, Share


class Keep(NamedTuple):
    """Steps after which the weights are kept, and what keeps them, while the pipeline has them."""

    steps: Collection[int]
    publish: Callable[[Record], None]


NOTHING = Keep((), lambda record: None)


def train(
    family: Family,
    examples: Examples,
    settings: TrainSettings,
    *,
    until: int | None = None,
    report: Report | None = None,
    saves: Saves | None = None,
    keep: Keep = NOTHING,
    share: Share = ALONE,
) -> Record:
    """Train the family's pipeline in place.

    Args:
        until: the step to stop after; None is `settings.steps`, which the learning rate goes by.
        saves: the save that an earlier run may have left, to go on from, and that is replaced every
            `settings.save_every` steps.
        keep: what to do with the weights on the way and at the end; the average, if there is one.
        share: this process's part, where several share each batch.

    Raises:
        UserError: if the model lacks weights that are to be trained, if no picture of a batch has a
            caption, if a loss is no number, if the memory is too small, or if it cannot compile.
    """
    with enough_memory(), compiling(family.network, settings.compile):
        run = Run(family, examples, settings, report, share)
        if saves is not None and (state := saves.read()) is not None:
            run.restore(state)
        last = settings.steps if until is None else until
        for done in run.steps(last):
            if share.first and done in keep.steps:
                with run.averaged():
                    keep.publish(run.record())
            due = settings.save_every and done % settings.save_every == 0 and done < last
            if saves and share.first and due:
                saves.write(run.state())
        run.end()
    return run.record()
