"""Every partitions definition and mapping of the graph, derived from one project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, human, lessons, samples

SHARD = dg.DynamicPartitionsDefinition(name="shard")
ALL = dg.AllPartitionMapping()


@dataclass(frozen=True)
class Partitions:
    """The static partitions of a project, and which key reads which."""

    human_style: dg.StaticPartitionsDefinition
    captioner: dg.StaticPartitionsDefinition
    style: dg.StaticPartitionsDefinition
    arm: dg.StaticPartitionsDefinition
    row: dg.StaticPartitionsDefinition
    human_to_captioner: dg.StaticPartitionMapping
    captioners_in_use: dg.SpecificPartitionsPartitionMapping
    captioner_to_style: dg.StaticPartitionMapping
    style_to_arm: dg.StaticPartitionMapping
    arm_to_row: dg.StaticPartitionMapping


def of(project: Project) -> Partitions:
    """The partitions of the styles, captioners and arms that recap.yaml names."""
    config = project.config
    humans = _keys(human.keys(project))
    captioners = _keys(captioner.keys(project))
    arms = project.arm_keys()
    rows = _keys(samples.keys(project))
    used = sorted({style.captioner for style in config.styles.values()})
    learned = {name: list(lessons.prompts(project, name)) for name in captioners}
    return Partitions(
        human_style=dg.StaticPartitionsDefinition(humans),
        captioner=dg.StaticPartitionsDefinition(captioners),
        style=dg.StaticPartitionsDefinition(project.style_names()),
        arm=dg.StaticPartitionsDefinition(list(arms)),
        row=dg.StaticPartitionsDefinition(rows),
        human_to_captioner=_mapping(learned, humans),
        captioners_in_use=dg.SpecificPartitionsPartitionMapping(used),
        captioner_to_style=_mapping(
            {name: [style.captioner] for name, style in config.styles.items()}, captioners
        ),
        style_to_arm=_mapping(
            {key: mine.arm.styles for key, mine in arms.items()}, project.style_names()
        ),
        arm_to_row=_mapping(
            {key: [its.arm] for key, its in project.weights().items() if key in rows}, list(arms)
        ),
    )


def _keys(keys: Sequence[str | None]) -> list[str]:
    return [key for key in keys if key is not None]


def _mapping(
    reads: Mapping[str, Sequence[str]], upstream: Sequence[str]
) -> dg.StaticPartitionMapping:
    """From {downstream key: upstream keys} to the form that Dagster wants."""
    return dg.StaticPartitionMapping(
        {key: [child for child, parents in reads.items() if key in parents] for key in upstream}
    )
