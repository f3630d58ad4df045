"""Brings the graph up to date through Dagster in this process: models stay loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from recap_assets.defs.sync import sync
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import failures, status
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import Key, Stage, Status

#: Called with the partition, before and after it is built; the last is None while it is.
Watcher = Callable[[str, Key, "Ran | None"], None]


@dataclass(frozen=True)
class Ran:
    """One Dagster run: how much it computed, or why it failed."""

    asset: str
    partition: Key
    computed: int
    error: str | None


@dataclass
class Outcome:
    """What a pass over the graph did."""

    ran: list[Ran] = field(default_factory=list)
    fresh: int = 0
    waiting: list[Status] = field(default_factory=list)

    @property
    def failed(self) -> list[Ran]:
        """The runs that failed."""
        return [one for one in self.ran if one.error]


def bring_up_to_date(
    project: Project,
    instance: dg.DagsterInstance,
    stages: Sequence[Stage],
    watch: Watcher = lambda asset, key, ran: None,
) -> Outcome:
    """Build every partition of `stages` that is not fresh, in the order in which data flows.

    A partition whose inputs are not there is left waiting; a failure does not stop the others.
    """
    from recap_assets.definitions import build

    sync(project, instance)
    job = build(project).resolve_implicit_global_asset_job_def()
    outcome = Outcome()
    for stage in stages:
        for key, state in _behind(project, stage, outcome):
            if not _ready(project, stage, key):
                outcome.waiting.append(state)
                continue
            watch(stage.name, key, None)
            outcome.ran.append(_run(project, job, instance, stage, key))
            watch(stage.name, key, outcome.ran[-1])
    return outcome


def _behind(project: Project, stage: Stage, outcome: Outcome) -> list[tuple[Key, Status]]:
    """The partitions of a stage to be built; its own builds do not change the others."""
    found = []
    with remembering():
        for key in stage.keys(project):
            state = status.of(project, stage, key)
            if state.state == "fresh":
                failures.clear(project, stage.name, key)
                outcome.fresh += 1
            else:
                found.append((key, state))
    return found


def _ready(project: Project, stage: Stage, key: Key) -> bool:
    """Whether what the partition is made of can be named: an input may have failed."""
    from recap_assets.stages.stage import NotReady

    try:
        stage.wanted(project, key)
    except NotReady:
        return False
    except UserError:
        return True  # the run will say what is wrong, and be seen in the UI
    return True


def _run(project: Project, job: Any, instance: dg.DagsterInstance, stage: Stage, key: Key) -> Ran:
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(stage.name)],
        partition_key=key,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={"recap/command": "run"},
    )
    if result.success:
        (event,) = result.asset_materializations_for_node(stage.name)
        return Ran(stage.name, key, int(event.metadata["computed"].value), None)
    if _interrupted(result):
        raise KeyboardInterrupt
    reason = failures.reason(project, stage.name, key) or _unexpected(result)
    failures.record(project, stage.name, key, reason)
    return Ran(stage.name, key, 0, reason)


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
