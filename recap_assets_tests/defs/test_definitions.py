"""The definitions: what Dagster loads, which partitions read which, and how fast they import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from recap_assets.definitions import build
from recap_assets.defs.partitions import SHARD
from recap_assets.experiment.project import Project
from recap_assets_tests import small_project

REPOSITORY = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "diffusers", "sklearn", "matplotlib")
SECONDS = 10  # of the processor, as other work on the machine takes none of it; about one is used
GROUPS = {
    "base_captioner": "inputs",
    "base_t2i": "inputs",
    "caption_audit": "captions",
    "caption_manifest": "captions",
    "captioner": "captions",
    "detector": "inputs",
    "eval_prompts": "inputs",
    "human_captions": "captions",
    "images": "data",
    "latents": "training",
    "metric_table": "evaluation",
    "metrics": "evaluation",
    "recaptions": "captions",
    "reference": "evaluation",
    "report": "evaluation",
    "samples": "evaluation",
    "t2i_checkpoint": "training",
}
READS = {
    "captioner": {"base_captioner", "human_captions"},
    "recaptions": {"captioner", "images"},
    "caption_manifest": {"recaptions"},
    "caption_audit": {"caption_manifest", "captioner", "eval_prompts"},
    "latents": {"base_t2i", "images"},
    "t2i_checkpoint": {"base_t2i", "caption_manifest", "latents"},
    "samples": {"base_t2i", "eval_prompts", "t2i_checkpoint"},
    "reference": {"images"},
    "metrics": {"detector", "samples"},
    "metric_table": {"metrics", "reference"},
    "report": {"caption_audit", "metric_table"},
}
GPU = {"captioner", "recaptions", "latents", "t2i_checkpoint", "samples", "reference", "metrics"}


@pytest.fixture
def definitions(project: Project) -> dg.Definitions:
    return build(project)


def parents(definitions: dg.Definitions, asset: str, key: str, parent: str) -> set[str]:
    """The partitions of `parent` that a partition reads, as Dagster resolves the mapping."""
    graph = definitions.resolve_asset_graph()
    child = dg.AssetKey(asset)
    found = graph.get(child).partitions_def
    assert found is not None
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(SHARD.name), ["00000", "00001"])
        with dg.partition_loading_context(dynamic_partitions_store=instance):
            result = graph.get_parent_partition_keys_for_child(key, dg.AssetKey(parent), child)
            assert not list(result.required_but_nonexistent_subset.get_partition_keys())
            return set(result.partitions_subset.get_partition_keys())


def test_the_definitions_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_assets_and_groups_are_the_designs(definitions: dg.Definitions) -> None:
    specs = definitions.resolve_all_asset_specs()
    assert {spec.key.to_user_string(): spec.group_name for spec in specs} == GROUPS


def test_edges_are_the_designs(definitions: dg.Definitions) -> None:
    edges = {
        spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps}
        for spec in definitions.resolve_all_asset_specs()
        if spec.deps
    }
    assert edges == READS


def test_every_asset_says_what_it_is_whose_and_of_which_code(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        if spec.group_name != "inputs":
            assert spec.owners == ["team:recap"], spec.key
            assert spec.code_version, spec.key
            assert len(spec.kinds) in (1, 2, 3), spec.key


def test_only_what_runs_a_model_waits_for_the_gpu(definitions: dg.Definitions) -> None:
    pools = {
        node.name: node.pool
        for node in definitions.resolve_implicit_global_asset_job_def().all_node_defs
        if isinstance(node, dg.OpDefinition)
    }
    assert {name for name, pool in pools.items() if pool == "gpu"} == GPU


def test_checks_are_partitioned_like_their_asset(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {key.name: key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert checks == {
        "decode_error_rate": "images",
        "not_utf8_share": "images",
        "enough_human_captions": "captioner",
        "tuning_paid": "captioner",
        "caption_error_rate": "recaptions",
        "over_limit_share": "recaptions",
        "repeated_caption_share": "recaptions",
        "lost_words": "recaptions",
        "caption_quality": "caption_audit",
    }


@pytest.mark.parametrize(
    ("asset", "key", "parent", "expected"),
    [
        ("t2i_checkpoint", "mix-both-s0", "caption_manifest", {"short", "long"}),
        ("t2i_checkpoint", "alttext-both-s0", "caption_manifest", {"alt"}),
        ("t2i_checkpoint", "long-both-s0", "caption_manifest", {"long"}),
        ("t2i_checkpoint", "long-both-s0", "latents", {"00000", "00001"}),
        ("caption_manifest", "short", "recaptions", {"00000", "00001"}),
        ("recaptions", "00001", "images", {"00001"}),
        ("recaptions", "00001", "captioner", {"recap"}),
        ("captioner", "recap", "human_captions", {"short", "long"}),
        ("caption_audit", "long", "caption_manifest", {"long"}),
        ("caption_audit", "long", "captioner", {"recap"}),
        ("caption_audit", "alt", "captioner", set()),
        ("latents", "00000", "images", {"00000"}),
        ("samples", "mix-both-s0", "t2i_checkpoint", {"mix-both-s0"}),
        ("samples", "base", "t2i_checkpoint", set()),
        ("samples", "real", "t2i_checkpoint", set()),
        ("metrics", "real", "samples", {"real"}),
    ],
)
def test_partitions_read_what_they_should(
    definitions: dg.Definitions, asset: str, key: str, parent: str, expected: set[str]
) -> None:
    assert parents(definitions, asset, key, parent) == expected


def test_partitions_follow_the_file(project: Project) -> None:
    model = project.config.captioners["recap"].model
    more = small_project.change(project, "captioners.plain", {"model": model})
    more = small_project.change(more, "styles.tag", {"prompt": "", "captioner": "plain"})
    arm = {"mix": {"tag": 1, "alt": 1}, "seeds": [3, 4]}
    more = small_project.change(more, "arms.tagged", arm)
    definitions = build(more)
    assert parents(definitions, "t2i_checkpoint", "tagged-both-s3", "caption_manifest") == {
        "tag",
        "alt",
    }
    assert parents(definitions, "recaptions", "00000", "captioner") == {"plain", "recap"}
    assert parents(definitions, "captioner", "plain", "human_captions") == set()
    assert parents(definitions, "samples", "tagged-both-s4", "t2i_checkpoint") == {"tagged-both-s4"}


def test_weights_on_the_way_are_rows_that_read_their_arm(project: Project) -> None:
    more = small_project.change(project, "t2i.checkpoints", [1])
    definitions = build(more)
    row, arm = "mix-both-s0-step1", {"mix-both-s0"}
    assert parents(definitions, "samples", row, "t2i_checkpoint") == arm
    assert parents(definitions, "samples", "mix-both-s0", "t2i_checkpoint") == arm
    assert parents(definitions, "metrics", row, "samples") == {row}


def test_a_new_style_is_new_code_for_every_shard(project: Project) -> None:
    def version(of: Project) -> str | None:
        specs = build(of).resolve_all_asset_specs()
        return {spec.key.to_user_string(): spec.code_version for spec in specs}["recaptions"]

    first = version(project)
    assert version(project) == first
    assert version(small_project.change(project, "styles.long.max_tokens", 40)) != first


def test_a_project_without_evaluation_has_definitions_too(project: Project) -> None:
    for dotted in ("evaluation", "arms", "human"):
        project = small_project.change(project, dotted, None)
    project = small_project.change(project, "captioners.recap.tune", None)
    dg.Definitions.validate_loadable(build(project))


def test_nothing_runs_by_itself_until_it_is_switched_on(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    (sensor,) = repository.sensor_defs
    (schedule,) = repository.schedule_defs
    assert (sensor.name, schedule.name) == ("new_shards", "nightly_recaption")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_the_schedule_keeps_the_projects_hour(project: Project) -> None:
    later = small_project.change(project, "schedule.cron", "30 4 * * 1")
    (schedule,) = build(later).get_repository_def().schedule_defs
    assert schedule.cron_schedule == "30 4 * * 1"


def test_loading_is_quick_and_imports_no_model_library(project: Project) -> None:
    code = (
        "import sys, time; start = time.process_time(); import recap_assets.definitions;"
        f"print(time.process_time() - start, [n for n in {HEAVY!r} if n in sys.modules])"
    )
    environment = os.environ | {"RECAP_CONFIG": str(project.file)}
    found = subprocess.run(
        [sys.executable, "-W", "error:::recap_assets", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    seconds, loaded = found.stdout.strip().split(" ", 1)
    assert loaded == "[]"
    assert float(seconds) < SECONDS


def test_the_command_line_starts_without_dagster_and_models() -> None:
    heavy = (*HEAVY, "dagster")
    code = (
        "import sys, time, recap_assets.cli;"
        f"print(time.process_time(), [n for n in {heavy!r} if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, loaded = found.stdout.strip().split(" ", 1)
    assert loaded == "[]"
    assert float(seconds) < SECONDS


@pytest.mark.slow
def test_the_shipped_workspace_loads_the_shipped_project(project: Project, tmp_path: Path) -> None:
    """What `dagster dev` does first, in a process of its own, from the repository's folder."""
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"DAGSTER_HOME": str(home), "RECAP_CONFIG": str(project.file)}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    found = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert "recap_assets" in found.stdout + found.stderr


def test_the_location_has_one_name_everywhere() -> None:
    import tomllib

    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text(encoding="utf-8"))
    (location,) = workspace["load_from"]
    named = location["python_module"]
    assert named["location_name"] == settings["dg"]["project"]["code_location_name"]
    assert named["module_name"] == settings["dg"]["project"]["code_location_target_module"]
    assert named["module_name"] == settings["dagster"]["module_name"]


def test_the_instance_reports_nothing_and_bounds_what_runs(project: Project) -> None:
    with small_project.opened(project) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        pools = instance.get_concurrency_config().pool_config
        assert pools.default_pool_limit == 1
        assert str(pools.pool_granularity).lower().endswith("op")
