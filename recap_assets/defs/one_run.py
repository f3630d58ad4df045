"""One partition of one asset, built by one Dagster run in this process."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import dagster as dg

from recap_assets.experiment.project import Project
from recap_assets.stages import failures, recaptions, refresh
from recap_assets.stages.stage import Key, Stage


@dataclass(frozen=True)
class Ran:
    """One Dagster run: how much it computed, or why it failed, and which checks found something."""

    asset: str
    partition: Key
    computed: int
    error: str | None
    warnings: tuple[str, ...] = ()


def job_of(project: Project, *, alone: bool = True) -> Any:
    """The job that holds every asset of the project.

    A process that is not `alone` is one of several that the user asked for: their number is the
    limit, and the pool of the GPU, which has one place, would let only one of them work.
    """
    from recap_assets.definitions import GPU, build

    return build(project, GPU if alone else None).resolve_implicit_global_asset_job_def()


def run(project: Project, job: Any, instance: dg.DagsterInstance, stage: Stage, key: Key) -> Ran:
    """Build a partition; a failure is told in the result and kept for `recap status`.

    Raises:
        KeyboardInterrupt: if somebody stopped the run.
    """
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(stage.name)],
        partition_key=key,
        raise_on_error=False,
        run_config=_config(stage),
        tags={"recap/command": "run"},
    )
    if result.success:
        (event,) = result.asset_materializations_for_node(stage.name)
        computed = int(event.metadata["computed"].value)
        return Ran(stage.name, key, computed, None, _warnings(result))
    if _interrupted(result):
        raise KeyboardInterrupt
    reason = failures.reason(project, stage.name, key) or _unexpected(result)
    failures.record(project, stage.name, key, reason)
    return Ran(stage.name, key, 0, reason)


def _warnings(result: Any) -> tuple[str, ...]:
    """What the checks that did not pass say."""
    found = result.get_asset_check_evaluations()
    return tuple(str(check.description) for check in found if not check.passed)


def _config(stage: Stage) -> dict[str, Any]:
    """No chatter; and what is to be captioned again, where captions are made."""
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if stage is recaptions.STAGE:
        config["ops"] = {stage.name: {"config": {"refresh": refresh.asked()}}}
    return config


def _interrupted(result: Any) -> bool:
    """Whether somebody stopped the run: then nothing is wrong with the partition."""
    return any(
        "Interrupted" in (event.step_failure_data.error.cls_name or "")
        for event in result.all_events
        if event.is_step_failure
    )


def _unexpected(result: Any) -> str:
    """The first line of what went wrong where no user's mistake was told."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause or error
            return f"{cause.message.strip().splitlines()[0]} (run {result.run_id}, see `make ui`)"
    return f"the run failed before its step (run {result.run_id}, see `make ui`)"
