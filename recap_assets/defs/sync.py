"""Registers shards as partitions: what `recap sync` does, with the sensor's own function."""

from __future__ import annotations

import dagster as dg

from recap_assets.defs.partitions import SHARD
from recap_assets.experiment.project import Project
from recap_assets.stages import shards
from recap_assets.stages.shards import Changes


def sync(project: Project, instance: dg.DagsterInstance) -> Changes:
    """Draw the world if the project has one, then bring the partitions in line with the tars."""
    shards.draw_world(project)
    name = str(SHARD.name)
    found = shards.changes(project, instance.get_dynamic_partitions(name))
    if found.added:
        instance.add_dynamic_partitions(name, found.added)
    shards.forget(project, found.removed)
    for key in found.removed:
        instance.delete_dynamic_partition(name, key)
    return found
