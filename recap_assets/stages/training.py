"""Trains an arm: until everything that is asked of its weights is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from recap_assets.diffusion.families.from_scratch import from_scratch
from recap_assets.diffusion.memory import enough_memory
from recap_assets.diffusion.saves import Saves
from recap_assets.diffusion.settings import TrainSettings
from recap_assets.diffusion.share import ALONE, Share
from recap_assets.experiment.fingerprint import seed
from recap_assets.experiment.project import Project
from recap_assets.stages import published, t2i_base
from recap_assets.stages.arm_captions import arm
from recap_assets.stages.examples import examples
from recap_assets.stages.progress import tell

if TYPE_CHECKING:
    from recap_assets.diffusion.families.family import Family
    from recap_assets.diffusion.run import Record


#: Trains an arm once through, as `run` does.
Once = Callable[[Project, str, str], None]


def missing(project: Project, key: str, version: str) -> dict[int, str]:
    """The weights of the arm that are not published, by their step, ascending."""
    found = {
        its.step: weights
        for weights, its in project.weights().items()
        if its.arm == key and not project.checkpoint(weights, version).is_dir()
    }
    return dict(sorted(found.items()))


def saves(project: Project, key: str, version: str) -> Saves:
    """Where a training of the arm that was stopped left its state."""
    return Saves(project.training(key, version), version)


def ahead(project: Project, key: str, version: str) -> int:
    """How many steps it takes until nothing is missing."""
    steps = list(missing(project, key, version))
    done = saves(project, key, version).step() or 0
    later = [step for step in steps if step > done]
    earlier = [step for step in steps if step <= done]
    return (max(later) - done if later else 0) + (max(earlier) if earlier else 0)


def complete(project: Project, key: str, version: str, once: Once) -> int:
    """Train the arm until nothing is missing; how many steps that took. Raises as `once`."""
    steps = ahead(project, key, version)
    state = saves(project, key, version)
    while todo := missing(project, key, version):
        if (state.step() or 0) >= max(todo):
            state.drop()
        once(project, key, version)
        state.drop()
    return steps


def run(project: Project, key: str, version: str, share: Share = ALONE) -> None:
    """Train the arm once through, from its save if there is one, to the last weights that are
    missing, and publish those that it passes.

    Weights before the save stay missing: another run makes them, from the beginning.

    Raises:
        UserError: as `diffusion.train.train`.
        NotReady: if captions or latents are not built from the shards as they are now.
    """
    from recap_assets.diffusion.train import Keep, train

    todo = missing(project, key, version)
    last, settings = max(todo), _settings(project, key)
    with enough_memory():
        family = _untrained(project, settings)
        shown = examples(project, key, family, settings, share)

    def publish(record: Record) -> None:
        published.write(project, todo[record.steps], version, family, record)

    train(
        family,
        shown,
        settings,
        until=last,
        report=lambda step, loss: tell(step + 1, last, f"training {key}, loss {loss:.3f}"),
        saves=saves(project, key, version),
        keep=Keep(todo, publish),
        share=share,
    )


def _untrained(project: Project, settings: TrainSettings) -> Family:
    """What the arm starts from; arms of one seed start from the same weights."""
    family = t2i_base.family(project)
    if project.config.t2i.from_scratch:
        from_scratch(family, seed("scratch", settings.seed))
    return family


def _settings(project: Project, key: str) -> TrainSettings:
    t2i, mine = project.config.t2i, arm(project, key)
    return TrainSettings.of(t2i, mine.arm.train, seed("train", t2i.seed, mine.seed))
