"""The sensor and the schedule, asked as Dagster's daemon asks them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from recap_assets.definitions import build
from recap_assets.defs import sync as syncing
from recap_assets.defs.automation import SHARD_JOB, new_shards
from recap_assets.defs.partitions import SHARD
from recap_assets.experiment.project import Project
from recap_assets_tests import small_project
from recap_assets_tests.small_project import add_shard, change, edit, run, tar

NAME = str(SHARD.name)
LOCATION = RegisteredCodeLocationOrigin("recap_assets")
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), SHARD_JOB)


@pytest.fixture
def new(project: Project) -> Iterator[tuple[Project, dg.DagsterInstance]]:
    """A project with its world drawn and no shard registered."""
    small_project.drawn(project)
    with small_project.opened(project) as instance:
        yield project, instance


@pytest.fixture
def done(built: Project) -> Iterator[tuple[Project, dg.DagsterInstance]]:
    """A project in which everything is fresh."""
    with small_project.opened(built) as instance:
        yield built, instance


def sense(project: Project, instance: dg.DagsterInstance) -> str | None:
    """A tick of the sensor with what it asks for done; the reason if it asks for nothing."""
    repository = build(project).get_repository_def()
    with dg.build_sensor_context(instance=instance, repository_def=repository) as context:
        told = new_shards.evaluate_tick(context)
    requests = told.dynamic_partitions_requests or []
    for request in requests:
        assert request.partitions_def_name == NAME
        if isinstance(request, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(NAME, request.partition_keys)
        else:
            for key in request.partition_keys:
                instance.delete_dynamic_partition(NAME, key)
    assert not told.run_requests
    return None if requests else told.skip_message


def tick(project: Project, instance: dg.DagsterInstance) -> tuple[list[str], str | None]:
    """The shards that a tick of the schedule asks for, and the reason of a skip."""
    repository = build(project).get_repository_def()
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2030, 1, 1, 2, tzinfo=UTC),
        repository_def=repository,
    )
    told = repository.get_schedule_def("nightly_recaption").evaluate_tick(context)
    for request in told.run_requests or []:
        assert request.tags["dagster/partition"] == request.partition_key
    return [str(request.partition_key) for request in told.run_requests or []], told.skip_message


class TestSensor:
    def test_registers_shards_in_order_and_then_nothing(
        self, new: tuple[Project, dg.DagsterInstance]
    ) -> None:
        project, instance = new
        assert sense(*new) is None
        assert instance.get_dynamic_partitions(NAME) == ["00000", "00001"]
        assert sense(*new) == "no tar came or went"
        add_shard(project, "00002")
        assert sense(*new) is None
        assert instance.get_dynamic_partitions(NAME) == ["00000", "00001", "00002"]
        assert sense(*new) == "no tar came or went"

    def test_forgets_shards_that_went(self, new: tuple[Project, dg.DagsterInstance]) -> None:
        project, instance = new
        add_shard(project, "00002")
        sense(*new)
        tar(project, "00000").unlink()
        assert sense(*new) is None
        assert instance.get_dynamic_partitions(NAME) == ["00001", "00002"]
        assert sense(*new) == "no tar came or went"

    def test_agrees_with_the_command(self, new: tuple[Project, dg.DagsterInstance]) -> None:
        project, instance = new
        found = syncing.sync(project, instance)
        assert (found.added, found.removed) == (["00000", "00001"], [])
        assert sense(*new) == "no tar came or went"
        again = syncing.sync(project, instance)
        assert (again.added, again.removed) == ([], [])


class TestSchedule:
    def test_waits_for_the_captioner(self, new: tuple[Project, dg.DagsterInstance]) -> None:
        sense(*new)
        keys, reason = tick(*new)
        assert keys == []
        assert reason is not None
        assert reason.startswith("captioner[recap] waits: human_captions[short]")

    @pytest.mark.slow
    def test_says_when_the_captioner_is_not_tuned(
        self, new: tuple[Project, dg.DagsterInstance]
    ) -> None:
        run(new[0], "human_captions")
        keys, reason = tick(*new)
        assert keys == []
        assert reason == "captioner[recap] is not tuned as it should be; materialize it first"

    @pytest.mark.slow
    def test_asks_for_nothing_when_nothing_changed(
        self, done: tuple[Project, dg.DagsterInstance]
    ) -> None:
        assert tick(*done) == ([], "every registered shard is up to date or on its way")

    @pytest.mark.slow
    def test_asks_for_the_shard_that_changed(
        self, done: tuple[Project, dg.DagsterInstance]
    ) -> None:
        edit(tar(done[0], "00001"), lambda samples: samples.popitem())
        assert tick(*done) == (["00001"], None)

    @pytest.mark.slow
    def test_asks_for_a_bounded_number_of_registered_shards(
        self, done: tuple[Project, dg.DagsterInstance]
    ) -> None:
        project, instance = done
        for shard in ("00002", "00003", "00004"):
            add_shard(project, shard)
        assert tick(*done)[0] == []  # not registered: the sensor or `recap sync` does that
        sense(*done)
        assert tick(*done)[0] == ["00002", "00003", "00004"]
        bounded = change(project, "schedule.shards_per_tick", 2)
        assert tick(bounded, instance)[0] == ["00002", "00003"]

    @pytest.mark.slow
    @pytest.mark.parametrize("status", [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
    def test_leaves_shards_alone_that_a_run_has(
        self, done: tuple[Project, dg.DagsterInstance], status: dg.DagsterRunStatus
    ) -> None:
        project, instance = done
        for shard in ("00002", "00003"):
            add_shard(project, shard)
        sense(*done)
        instance.create_run_for_job(
            job_def=build(project).resolve_job_def(SHARD_JOB),
            tags={"dagster/partition": "00002"},
            status=status,
            remote_job_origin=ORIGIN,
        )
        assert tick(*done)[0] == ["00003"]

    @pytest.mark.slow
    def test_what_it_asks_for_is_a_run_of_the_shard_and_its_parts(
        self, done: tuple[Project, dg.DagsterInstance]
    ) -> None:
        project, instance = done
        add_shard(project, "00002")
        sense(*done)
        result = (
            build(project)
            .resolve_job_def(SHARD_JOB)
            .execute_in_process(instance=instance, partition_key="00002", raise_on_error=False)
        )
        assert result.success
        made = {
            event.asset_key.to_user_string()
            for event in result.all_events
            if event.is_step_materialization and event.asset_key
        }
        assert made == {"images", "recaptions", "latents"}
        assert tick(*done)[0] == []
