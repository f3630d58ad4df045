"""One run of the whole graph: what Dagster was told, what lies in the store, what is left."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from recap_assets.experiment.project import Project
from recap_assets.scenes.contents import prompts, shard_samples
from recap_assets.stages import images, manifest, recipes, status
from recap_assets_tests import small_project
from recap_assets_tests.conftest import Built

pytestmark = pytest.mark.slow

SHARDS = ["00000", "00001"]
STYLES = ["alt", "short", "long"]
ARMS = ["alttext-both-s0", "long-both-s0", "mix-both-s0"]
ROWS = ["real", "base", *ARMS]
GRAPH: dict[str, list[str | None]] = {
    "images": [*SHARDS],
    "human_captions": ["short", "long"],
    "captioner": ["recap"],
    "recaptions": [*SHARDS],
    "caption_manifest": [*STYLES],
    "caption_audit": [*STYLES],
    "latents": [*SHARDS],
    "t2i_checkpoint": [*ARMS],
    "samples": [*ROWS],
    "reference": [None],
    "metrics": [*ROWS],
    "metric_table": [None],
    "report": [None],
}
EVERY = [(asset, key) for asset, keys in GRAPH.items() for key in keys]
Events = dict[tuple[str, str | None], dg.AssetMaterialization]


@pytest.fixture(scope="module")
def events(first_run: Built) -> Events:
    """What Dagster stored of each partition's one materialization."""
    found: Events = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECAP_CONFIG", "")
        patch.setenv("DAGSTER_HOME", "")
        with small_project.opened(first_run.project) as instance:
            for asset in GRAPH:
                for record in instance.fetch_materializations(dg.AssetKey(asset), 100).records:
                    made = record.asset_materialization
                    assert made is not None
                    assert (asset, made.partition) not in found
                    found[asset, made.partition] = made
    return found


def test_every_partition_of_the_design_is_built_once_in_the_order_of_the_graph(
    first_run: Built,
) -> None:
    assert [(one.asset, one.partition) for one in first_run.outcome.ran] == EVERY
    assert not first_run.outcome.waiting
    assert not first_run.outcome.failed


def test_every_partition_computed_what_it_should(first_run: Built) -> None:
    computed = small_project.ran(first_run.outcome)
    assert computed["images"] == dict.fromkeys(SHARDS, 8)
    assert computed["human_captions"] == {"short": 6, "long": 6}
    assert computed["captioner"] == {"recap": 2}
    assert computed["recaptions"] == dict.fromkeys(SHARDS, 16)
    assert computed["latents"] == dict.fromkeys(SHARDS, 8)
    assert computed["t2i_checkpoint"] == dict.fromkeys(ARMS, 2)
    assert computed["samples"] == dict.fromkeys(ROWS, 12)
    assert computed["metrics"] == dict.fromkeys(ROWS, 12)
    assert computed["reference"] == {None: 16}
    assert computed["report"] == {None: 1}


def test_dagster_has_one_materialization_of_every_partition(events: Events) -> None:
    assert set(events) == set(EVERY)


@pytest.mark.parametrize(("asset", "key"), EVERY)
def test_the_data_version_is_set_by_the_project(
    events: Events, asset: str, key: str | None
) -> None:
    tags = events[asset, key].tags or {}
    assert tags["dagster/data_version_is_user_provided"] == "true"
    assert len(tags["dagster/data_version"]) == 64


def test_data_versions_address_the_artifacts(first_run: Built, events: Events) -> None:
    def version(asset: str, key: str) -> str:
        return (events[asset, key].tags or {})["dagster/data_version"]

    project = first_run.project
    for style in STYLES:
        assert project.manifest(style, version("caption_manifest", style)).is_file()
        assert project.audit(style, version("caption_audit", style)).is_file()
    for arm in ARMS:
        assert (project.checkpoint(arm, version("t2i_checkpoint", arm)) / "unet").is_dir()
    for row in ROWS:
        assert project.samples(row, version("samples", row)).is_dir()
        assert project.metrics(row, version("metrics", row)).is_dir()
    assert project.captioner("recap", version("captioner", "recap")).is_dir()


def test_computed_is_in_the_metadata_of_every_partition(first_run: Built, events: Events) -> None:
    for one in first_run.outcome.ran:
        shown = events[one.asset, one.partition].metadata["computed"]
        assert shown == dg.MetadataValue.int(one.computed)


@pytest.mark.parametrize(
    ("asset", "key", "name"),
    [
        ("images", "00000", "pictures"),
        ("recaptions", "00000", "pictures"),
        ("samples", "base", "sheet"),
        ("captioner", "recap", "loss_curve"),
        ("t2i_checkpoint", "mix-both-s0", "loss_curve"),
    ],
)
def test_pictures_can_be_looked_at(events: Events, asset: str, key: str, name: str) -> None:
    shown = events[asset, key].metadata[name]
    assert isinstance(shown, dg.MarkdownMetadataValue)
    assert shown.md_str is not None
    assert "data:image/" in shown.md_str
    # The event log keeps every one of them.
    assert len(shown.md_str) < 60_000


@pytest.mark.parametrize(
    ("asset", "key", "name", "columns", "rows"),
    [
        ("images", "00000", "bad_pictures", ["key", "error"], 0),
        ("human_captions", "long", "examples", ["key", "caption", "split"], 6),
        ("recaptions", "00001", "captions", ["key", *STYLES], 6),
        ("caption_manifest", "long", "examples", ["shard", "caption"], 8),
        ("metrics", "base", "means", ["metric", "value", "n"], None),
    ],
)
def test_tables_can_be_looked_at(
    events: Events, asset: str, key: str, name: str, columns: list[str], rows: int | None
) -> None:
    shown = events[asset, key].metadata[name]
    assert isinstance(shown, dg.TableMetadataValue)
    assert [column.name for column in shown.schema.columns] == columns
    assert rows is None or len(shown.records) == rows


def test_simulated_captions_are_called_so(events: Events) -> None:
    assert events["human_captions", "short"].metadata["simulated"].value is True
    assert events["captioner", "recap"].metadata["simulated"].value is True


@pytest.mark.parametrize(
    ("asset", "check", "keys"),
    [
        ("images", "decode_error_rate", SHARDS),
        ("recaptions", "caption_error_rate", SHARDS),
        ("caption_audit", "caption_quality", STYLES),
    ],
)
@pytest.mark.usefixtures("_environment")
def test_checks_are_kept_per_partition(
    first_run: Built, asset: str, check: str, keys: list[str]
) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    with small_project.opened(first_run.project) as instance:
        found = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    told = {}
    for record in found:
        assert record.event is not None
        assert record.event.dagster_event is not None
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        told[record.partition] = evaluation
    assert set(told) == set(keys)
    for evaluation in told.values():
        assert evaluation.description
        assert evaluation.passed or asset == "caption_audit"


@pytest.mark.usefixtures("_environment")
def test_every_run_ended_well_in_its_own_run(first_run: Built) -> None:
    with small_project.opened(first_run.project) as instance:
        runs = instance.get_runs()
    assert len(runs) == len(EVERY)
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


def test_everything_is_fresh(first_run: Built) -> None:
    found = list(status.every(first_run.project))
    assert [(one.asset, one.partition) for one in found] == EVERY
    assert {(one.state, one.reason) for one in found} == {("fresh", "up to date")}


def test_nothing_is_fresh_before_the_first_run(project: Project) -> None:
    small_project.drawn(project)
    found = list(status.every(project))
    assert [(one.asset, one.partition) for one in found] == EVERY
    assert {one.state for one in found} == {"missing"}


def test_a_second_run_does_nothing(built: Project) -> None:
    before = small_project.files(built.captions)
    with small_project.opened(built) as instance:
        count = instance.get_runs_count()
    outcome = small_project.run(built)
    with small_project.opened(built) as instance:
        assert instance.get_runs_count() == count
    assert (outcome.ran, outcome.fresh, outcome.waiting) == ([], len(EVERY), [])
    assert small_project.files(built.captions) == before


def test_every_picture_of_the_world_has_a_row_of_every_style(first_run: Built) -> None:
    project = first_run.project
    world = project.config.world
    assert world is not None
    for shard in SHARDS:
        keys = [str(sample["__key__"]) for sample in shard_samples(world, int(shard))]
        assert pl.read_parquet(project.image_index(shard))["key"].to_list() == keys
        for its in recipes.recipes(project).values():
            rows = recipes.store(project).read(its, shard)
            assert rows is not None
            assert sorted(rows["source_key"]) == keys


def test_alt_text_is_the_sources_own(first_run: Built) -> None:
    project = first_run.project
    world = project.config.world
    assert world is not None
    written = {
        str(sample["__key__"]): str(sample["txt"]).strip() for sample in shard_samples(world, 0)
    }
    rows = recipes.store(project).read(recipes.recipe(project, "alt"), "00000")
    assert rows is not None
    told = dict(rows.select("source_key", "caption").iter_rows())
    assert told == {key: " ".join(text.split()) for key, text in written.items()}


def test_a_run_writes_its_dagster_id_into_its_rows(first_run: Built, events: Events) -> None:
    project = first_run.project
    rows = recipes.store(project).read(recipes.recipe(project, "long"), "00000")
    assert rows is not None
    (run_id,) = rows["run_id"].unique()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        patch.setenv("RECAP_CONFIG", "")
        with small_project.opened(project) as instance:
            run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags["dagster/partition"] == "00000"


def test_no_prompt_of_the_evaluation_is_trained_on(first_run: Built) -> None:
    project = first_run.project
    world = project.config.world
    assert world is not None
    told = {scene.signature for _, scene in prompts(world)}
    assert len(told) == 12
    trained = {row for style in STYLES for row in manifest.frame(project, style)["uid"]}
    assert trained <= {uid for shard in SHARDS for uid in images.usable(project, shard)["uid"]}
    assert manifest.frame(project, "long").height == 16


def test_a_checkpoint_loads_without_the_project(first_run: Built) -> None:
    from diffusers import StableDiffusionPipeline

    (folder,) = (first_run.project.root / "checkpoints" / "mix-both-s0").iterdir()
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, safety_checker=None, use_safetensors=True
    )
    assert pipeline.unet.config.sample_size == 8
    assert _weights(folder) == {".safetensors"}


def _weights(folder: Path) -> set[str]:
    """The suffixes of the files over 100 kB: weights, and nothing pickled among them."""
    return {p.suffix for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 100_000}


def test_nothing_is_left_of_writing(first_run: Built) -> None:
    assert not list(first_run.project.root.rglob(".tmp-*"))
    assert not list((first_run.project.root / "failures").rglob("*.json"))
