"""Where every partition stands, computed from content: the same answer that a run acts on."""

from __future__ import annotations

from collections.abc import Iterator

from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import failures
from recap_assets.stages.graph import STAGES
from recap_assets.stages.stage import Key, NotReady, Stage, State, Status


def every(project: Project) -> Iterator[Status]:
    """The status of every partition of every stage, in the graph's order."""
    for stage in STAGES.values():
        for key in stage.keys(project):
            yield of(project, stage, key)


def of(project: Project, stage: Stage, key: Key) -> Status:
    """The status of one partition."""
    try:
        version = stage.wanted(project, key)
        if stage.made(project, key, version):
            return Status(stage.name, key, "fresh", "up to date")
        reason = stage.lacks(project, key, version)
    except (NotReady, UserError) as waiting:
        reason = str(waiting)
    failed = failures.reason(project, stage.name, key)
    if failed is not None:
        return Status(stage.name, key, "failed", failed)
    state: State = "stale" if stage.seen(project, key) else "missing"
    never = "never made" if state == "missing" else reason
    return Status(stage.name, key, state, reason if "is not" in reason else never)
