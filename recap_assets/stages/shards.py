"""Which shards came and went: the one answer that `recap sync` and the sensor act on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from recap_assets.experiment.keys import check_key
from recap_assets.experiment.project import Project
from recap_assets.scenes.world import is_current, write_world
from recap_assets.stages import images, inputs, latents, recaptions, status
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import Status

STAGES = (images.STAGE, recaptions.STAGE, latents.STAGE)


@dataclass(frozen=True)
class Changes:
    """Shards to register, in order, and shards that are gone."""

    added: list[str]
    removed: list[str]


def draw_world(project: Project) -> bool:
    """Draw the project's world if it has one that is not there; whether anything was done."""
    world = project.config.world
    folder = inputs.world_folder(project)
    if world is None or is_current(world, folder):
        return False
    write_world(world, folder)
    return True


def changes(project: Project, known: Collection[str]) -> Changes:
    """What differs between the data set's tars and the shards that are `known`."""
    found = inputs.shards(project)
    return Changes(
        added=[key for key in sorted(found) if key not in known],
        removed=sorted(set(known) - set(found)),
    )


def forget(project: Project, removed: Collection[str]) -> None:
    """Take shards that are gone out of the view `images`; their captions stay for their return."""
    for shard in removed:
        project.image_index(check_key("shard", shard)).unlink(missing_ok=True)


def unfinished(project: Project) -> dict[str, Status]:
    """The shards whose index, captions or latents are not as they should be, and why."""
    found: dict[str, Status] = {}
    with remembering():
        for shard in inputs.shards(project):
            states = (status.of(project, stage, shard) for stage in STAGES)
            behind = next((one for one in states if one.state != "fresh"), None)
            if behind is not None:
                found[shard] = behind
    return found
