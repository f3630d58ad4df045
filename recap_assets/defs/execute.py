"""Brings the graph up to date through Dagster in this process: models stay loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from recap_assets.defs import one_run
from recap_assets.defs.one_run import Ran
from recap_assets.defs.sync import sync
from recap_assets.defs.workers import Workers, sensible
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.stages import checkpoint, failures, status
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import Key, Stage, Status

#: Called with the partition, before and after it is built; the last is None while it is.
Watcher = Callable[[str, Key, Ran | None], None]


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
    workers: int | None = 1,
) -> Outcome:
    """Build every partition of `stages` that is not fresh, in the order in which data flows.

    A partition whose inputs are not there is left waiting; a failure does not stop the others.
    Where several partitions of a stage are behind, `workers` processes share them; None has
    as many as the machine is good for.
    """
    sync(project, instance)
    builder = _Builder(project, instance, workers)
    outcome = Outcome()
    try:
        for stage in stages:
            ready = []
            for key, state in _behind(project, stage, outcome):
                if _ready(project, stage, key):
                    ready.append(key)
                else:
                    outcome.waiting.append(state)
            outcome.ran += builder.run(stage, ready, watch)
    finally:
        builder.close()
    return outcome


class _Builder:
    """Builds partitions here, or in worker processes where there are several."""

    def __init__(self, project: Project, instance: dg.DagsterInstance, workers: int | None) -> None:
        self._project, self._instance, self._count = project, instance, workers
        self._job: Any = None
        self._workers: Workers | None = None

    def run(self, stage: Stage, keys: Sequence[Key], watch: Watcher) -> Iterator[Ran]:
        """The runs of a stage, as they end."""
        if len(keys) > 1 and not self._crowded(stage) and (pool := self._pool()):
            watch(stage.name, None, None)
            for ran in pool.run(stage, keys):
                watch(stage.name, ran.partition, ran)
                yield ran
            return
        for key in keys:
            watch(stage.name, key, None)
            self._job = self._job or one_run.job_of(self._project)
            ran = one_run.run(self._project, self._job, self._instance, stage, key)
            watch(stage.name, key, ran)
            yield ran

    def _crowded(self, stage: Stage) -> bool:
        """Whether one partition of the stage keeps the machine busy with processes of its own."""
        return stage.name == checkpoint.NAME and self._project.config.t2i.processes > 1

    def _pool(self) -> Workers | None:
        if self._count is None:
            self._count = sensible()
        if self._count > 1 and self._workers is None:
            self._workers = Workers(self._project, self._count)
        return self._workers

    def close(self) -> None:
        """End the worker processes."""
        if self._workers is not None:
            self._workers.close()


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
