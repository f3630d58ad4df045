"""Stage `t2i_checkpoint`: the text-to-image model trained on one caption mix."""

from __future__ import annotations

import json

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.stages import (
    caption_checks,
    curve,
    images,
    latents,
    manifest,
    published,
    recaptions,
    t2i_base,
    training,
    training_ranks,
)
from recap_assets.stages.arm_captions import arm, caption_sets
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import CHANGED, Key, NotReady, Product, Stage, named

NAME = "t2i_checkpoint"
CODE = "1"


def keys(project: Project) -> list[Key]:
    """Every arm."""
    return list(project.arm_keys())


@remembered
def wanted(project: Project, key: Key) -> str:
    """The base, the captions, the pictures, the settings that decide, and the seed."""
    mine = arm(project, named(key))
    return digest(
        {
            "code": CODE,
            "base": t2i_base.version(project),
            "captions": caption_sets(project, named(key)),
            "pictures": latents.training_uids(project),
            "mix": mine.arm.mix,
            "train": mine.arm.train,
            "settings": project.config.t2i.deciding(),
            "seed": mine.seed,
        }
    )


def made(project: Project, key: Key, version: str) -> bool:
    """Whether all weights that training keeps are there."""
    return not training.missing(project, named(key), version)


def seen(project: Project, key: Key) -> bool:
    """Whether any weights of the arm are there."""
    return (project.root / "checkpoints" / named(key)).is_dir()


def lacks(project: Project, key: Key, version: str) -> str:
    """Why the arm is to be trained: to go on, anew, or for weights on the way and at what cost."""
    todo = training.missing(project, named(key), version)
    if done := training.saves(project, named(key), version).step():
        return f"its training is not finished: it goes on from step {done}"
    if project.config.t2i.steps in todo or not todo:
        return CHANGED
    steps = ", ".join(map(str, todo))
    again = training.ahead(project, named(key), version)
    return f"step {steps} of t2i.checkpoints is not kept: {again} steps are trained again for it"


def build(project: Project, key: Key) -> Product:
    """Train the arm unless its recipe was followed before."""
    name = named(key)
    version = wanted(project, key)
    steps = 0
    if not made(project, key, version):
        _check_gates(project)
        for style in arm(project, name).arm.styles:
            manifest.check_rows(project, style)
        steps = training.complete(project, name, version, training_ranks.run)
    told = card(project, name)
    return Product(
        version=version,
        computed=steps,
        facts={
            "path": project.checkpoint(name, version),
            "steps": told["step"],
            "images": told["images"],
            "loss_last": told["final_loss"],
            "dropped_over_limit": told["dropped"],
            "mix": json.dumps(told["mix"]),
            "caption_sets": json.dumps(told["caption_sets"]),
            "loss_curve": curve.picture(told["losses"]),
        },
    )


def card(project: Project, weights: str) -> published.Card:
    """What was written down when the current weights of that key were trained.

    Raises:
        NotReady: if they are not.
    """
    key = project.weights()[weights].arm
    told = published.read(project.checkpoint(weights, wanted(project, key)))
    if told is None:
        raise NotReady(f"t2i_checkpoint[{key}] is not trained on the captions as they are now")
    return told


def past_seconds(project: Project, key: str) -> float | None:
    """How long training so many steps took before, by the arm's own or any other checkpoint."""
    folder = project.root / "checkpoints"
    for place in [*folder.glob(f"{key}/*"), *folder.glob("*/*")]:
        told = published.read(place)
        if told is not None and told.get("seconds"):
            return _steps_ahead(project, key) * told["seconds"] / len(told["losses"])
    return None


def _steps_ahead(project: Project, key: str) -> int:
    """How many steps a training would take, all of them where its captions are still to be made."""
    try:
        return training.ahead(project, key, wanted(project, key))
    except (NotReady, UserError):
        return project.config.t2i.steps


def _check_gates(project: Project) -> None:
    """Stop before training when a shard fails a check that `gates.hard` names."""
    hard = project.config.gates.hard
    for shard in map(named, recaptions.keys(project)):
        for gate in hard:
            from_images = gate in images.GATES
            check = (images if from_images else caption_checks).check(project, shard, gate)
            if check.reason:
                raise UserError(check.reason)


STAGE = Stage(NAME, keys, wanted, made, seen, build, lacks)
