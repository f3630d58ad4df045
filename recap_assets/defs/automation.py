"""What runs by itself once it is switched on: the sensor for shards and the nightly backfill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from recap_assets.defs.partitions import SHARD
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, short
from recap_assets.experiment.project import Project
from recap_assets.stages import captioner, images, latents, recaptions, shards
from recap_assets.stages.stage import NotReady

SHARD_JOB = "recaption_shard"
_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

shard_job = dg.define_asset_job(
    SHARD_JOB,
    selection=dg.AssetSelection.assets(images.NAME, recaptions.NAME, latents.NAME),
    executor_def=dg.in_process_executor,
    description="Index, caption and encode one shard; what is done already costs nothing.",
)


@dg.sensor(
    name="new_shards",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Registers tars that came and forgets those that went.",
)
def new_shards(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """The same function that `recap sync` calls."""
    project = Project.open()
    found = shards.changes(project, context.instance.get_dynamic_partitions(str(SHARD.name)))
    if not (found.added or found.removed):
        return dg.SkipReason("no tar came or went")
    requests: list[Any] = []
    if found.added:
        requests.append(SHARD.build_add_request(found.added))
    if found.removed:
        shards.forget(project, found.removed)
        requests.append(SHARD.build_delete_request(found.removed))
    return dg.SensorResult(dynamic_partitions_requests=requests)


def nightly(project: Project) -> dg.ScheduleDefinition:
    """The schedule, with the project's own hour."""

    @dg.schedule(
        name="nightly_recaption",
        cron_schedule=project.config.schedule.cron,
        job=shard_job,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Backfills missing and stale shards, a bounded number a tick.",
    )
    def nightly_recaption(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield from _requests(context)

    return nightly_recaption


def _requests(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    project = Project.open()
    waiting = _untuned(project)
    if waiting:
        yield dg.SkipReason(waiting)
        return
    known = set(context.instance.get_dynamic_partitions(str(SHARD.name)))
    busy = _busy(context.instance)
    behind = shards.unfinished(project)
    todo = [key for key in sorted(behind) if key in known and key not in busy]
    for key in todo[: project.config.schedule.shards_per_tick]:
        state = behind[key]
        mark = short(digest([state.asset, state.state, state.reason]))
        yield dg.RunRequest(run_key=f"{key}:{mark}", partition_key=key)
    if not todo:
        yield dg.SkipReason("every registered shard is up to date or on its way")


def _untuned(project: Project) -> str | None:
    """Why no shard can be captioned yet, if it cannot."""
    for name in {style.captioner for style in project.config.styles.values()}:
        try:
            if not captioner.made(project, name, captioner.wanted(project, name)):
                return f"captioner[{name}] is not tuned as it should be; materialize it first"
        except (NotReady, UserError) as error:
            return f"captioner[{name}] waits: {error}"
    return None


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """Shards that a run is already at work on or queued for."""
    runs = instance.get_runs(filters=dg.RunsFilter(statuses=_ACTIVE))
    tags = (run.tags.get("dagster/partition") for run in runs)
    return {tag for tag in tags if tag}
