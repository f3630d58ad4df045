"""Bad input: one line that says what to do, nothing that was there before is lost, work goes on."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from recap_assets.definitions import build
from recap_assets.defs.execute import Outcome
from recap_assets.defs.partitions import SHARD
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.project import Project
from recap_assets.images.writer import write_tar
from recap_assets.stages import recipes, status
from recap_assets.stages.graph import STAGES
from recap_assets_tests import small_project
from recap_assets_tests.small_project import (
    CAPTIONS,
    Samples,
    change,
    edit,
    files,
    run,
    settings,
    tar,
)


@pytest.fixture(scope="module")
def indexed_once(base_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose world is drawn and indexed, without any model's work."""
    made = small_project.write(tmp_path_factory.mktemp("indexed") / "project", base_models)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECAP_CONFIG", "")
        patch.setenv("DAGSTER_HOME", "")
        assert not run(made, "images,human_captions").failed
    return made


@pytest.fixture
def indexed(indexed_once: Project, tmp_path: Path, _environment: None) -> Project:
    """A copy of it, the test's own."""
    return small_project.copy(indexed_once, tmp_path / "project")


def only_error(outcome: Outcome) -> str:
    """The one error of a run, which is a line."""
    (failed,) = outcome.failed
    assert failed.error is not None
    assert "\n" not in failed.error
    assert "Error" not in failed.error.split(":")[0]
    return failed.error


def states(project: Project, asset: str) -> dict[str | None, tuple[str, str]]:
    return {
        one.partition: (one.state, one.reason)
        for one in status.every(project)
        if one.asset == asset
    }


def test_a_corrupt_picture_is_a_row_with_a_reason(indexed: Project) -> None:
    def spoil(samples: Samples) -> None:
        first, second = sorted(samples)[:2]
        samples[first]["png"] = samples[first]["png"][:60]
        samples[second]["png"] = b""

    edit(tar(indexed, "00000"), spoil)
    outcome = run(indexed, "images")
    assert small_project.ran(outcome) == {"images": {"00000": 8}}
    rows = pl.read_parquet(indexed.image_index("00000"))
    assert rows["status"].to_list() == ["error", "error", *["ok"] * 6]
    assert rows["error"][:2].is_not_null().all()


@pytest.mark.slow
def test_a_corrupt_picture_gets_no_caption_and_the_others_keep_theirs(built: Project) -> None:
    def spoil(samples: Samples) -> None:
        samples[min(samples)]["png"] = b"no picture"

    its = recipes.recipe(built, "long")
    old = recipes.store(built).read(its, "00000")
    edit(tar(built, "00000"), spoil)
    outcome = small_project.ran(run(built, f"{CAPTIONS},latents"))
    assert outcome["recaptions"] == {"00000": 0}
    assert outcome["latents"] == {"00000": 0}
    new = recipes.store(built).read(its, "00000")
    assert old is not None
    assert new is not None
    assert new.equals(old.filter(pl.col("source_key") != old["source_key"].min()))


def test_a_cut_tar_fails_alone_and_loses_nothing(indexed: Project) -> None:
    path, before = tar(indexed, "00001"), files(indexed.images)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + 100])
    reason = only_error(run(indexed, "images"))
    assert reason.startswith(str(path))
    assert files(indexed.images) == before
    assert states(indexed, "images") == {
        "00000": ("fresh", "up to date"),
        "00001": ("failed", reason),
    }

    path.write_bytes(whole)
    assert run(indexed, "images").ran == []
    assert {state for state, _ in states(indexed, "images").values()} == {"fresh"}


def test_a_tar_without_pictures_fails_alone_and_loses_nothing(indexed: Project) -> None:
    path, before = tar(indexed, "00001"), files(indexed.images)
    write_tar(path, [{"__key__": "a", "txt": "a text"}, {"__key__": "b", "txt": "and another"}])
    reason = only_error(run(indexed, "images"))
    assert reason.startswith(f"{path}: holds no picture")
    assert files(indexed.images) == before


def test_a_file_that_is_no_tar_fails_alone(indexed: Project) -> None:
    path, before = tar(indexed, "00001"), files(indexed.images)
    path.write_bytes(b"<!DOCTYPE html> not found" * 100)
    assert only_error(run(indexed, "images")).startswith(str(path))
    assert files(indexed.images) == before


@pytest.mark.slow
def test_an_empty_alt_text_is_a_row_and_no_training_caption(built: Project) -> None:
    its = recipes.recipe(built, "alt")
    known = recipes.store(built).read(its, "00000")
    assert known is not None
    key, other = known.filter(status="ok")["source_key"].sort().to_list()[:2]

    def empty(samples: Samples) -> None:
        samples[key]["txt"] = b" \n"
        del samples[other]["txt"]

    edit(tar(built, "00000"), empty)
    run(built, CAPTIONS)
    rows = recipes.store(built).read(its, "00000")
    assert rows is not None
    judged = dict(rows.select("source_key", "status").iter_rows())
    assert (judged[key], judged[other]) == ("empty", "empty")
    good = known.filter(status="ok").height
    assert rows.filter(status="ok").height == good - 2


def test_too_few_human_captions_are_told(indexed: Project) -> None:
    def empty(samples: Samples) -> None:
        for members in samples.values():
            members["json"] = b'{"short": "", "long": "something"}'

    before = files(indexed.root / "human")
    edit(indexed.root / "world" / "human.tar", empty)
    outcome = run(indexed, "human_captions")
    assert [one.partition for one in outcome.failed] == ["short", "long"]
    for one in outcome.failed:
        assert one.error is not None
        assert one.error.startswith("human captions: 0 usable pictures (no caption: 6), 2 needed;")
    assert files(indexed.root / "human") == before


@pytest.mark.parametrize("name", ["0 b", "0;rm", "0\u00e9"])
def test_a_tar_with_an_odd_name_is_refused_before_anything_is_done(
    indexed: Project, name: str
) -> None:
    before = files(indexed.images)
    tar(indexed, "00001").rename(tar(indexed, name))
    small_project.add_shard(indexed, "00001")
    with pytest.raises(UserError, match=r"^shard .*: a key is 1 to 100 letters.*; rename it$"):
        run(indexed)
    assert files(indexed.images) == before


@pytest.mark.parametrize("section", ["styles", "captioners", "arms"])
@pytest.mark.parametrize("name", ["../x", "a b", "a/b", ".hidden", ""])
def test_an_odd_name_in_the_file_is_refused(project: Project, section: str, name: str) -> None:
    some = getattr(project.config, section)
    own = next(iter(some.values())).model_dump(mode="json")
    with pytest.raises(UserError) as refused:
        change(project, section, {name: own})
    assert repr(name) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("asset", ["images", "recaptions", "latents"])
def test_an_odd_partition_in_dagster_writes_nothing_elsewhere(
    indexed: Project, asset: str, tmp_path: Path
) -> None:
    """Anybody may register a partition in Dagster's pages and materialize it."""
    keys = ["../../../x", "a b", "..", "/tmp/x", "gone"]
    before = set(files(tmp_path))
    with small_project.opened(indexed) as instance:
        instance.add_dynamic_partitions(str(SHARD.name), keys)
        job = build(indexed).resolve_implicit_global_asset_job_def()
        for key in keys:
            result = job.execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(asset)],
                partition_key=key,
                raise_on_error=False,
            )
            (failure,) = [event for event in result.all_events if event.is_step_failure]
            error = failure.step_failure_data.error
            assert error is not None
            reason = f"shard {key!r}: not in the data set any more; `recap sync` forgets it"
            assert reason in error.message
    new = {Path(path).parts[:3] for path in set(files(tmp_path)) - before}
    assert new <= {("project", "store", "failures"), ("project", "store", "dagster")}
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("dotted", "asset", "way_out"),
    [
        ("captioners.recap.model", "captioner", "`recap pretrain` makes the base models"),
        ("t2i.model", "latents", "`recap pretrain` makes the base models"),
        ("evaluation.extractor", "reference", "`recap pretrain` makes the base models"),
    ],
)
def test_a_missing_base_model_is_named(
    indexed: Project, dotted: str, asset: str, way_out: str
) -> None:
    asked = change(indexed, dotted, "base:nothing")
    outcome = run(asked, asset)
    assert outcome.failed
    for one in outcome.failed:
        assert one.error is not None
        assert one.error.startswith("model 'base:nothing': ")
        assert one.error.endswith(way_out)
        assert "\n" not in one.error


def test_a_damaged_base_model_is_named(indexed: Project, base_models: Path) -> None:
    broken = indexed.file.parent / "broken"
    broken.mkdir()
    for path in (base_models / "captioner").iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    reason = only_error(run(change(indexed, "captioners.recap.model", "broken"), "captioner"))
    assert reason.startswith(f"captioner {broken}: its files cannot be loaded")
    assert not (indexed.root / "captioners").exists() or not files(indexed.root / "captioners")


@pytest.mark.slow
def test_a_damaged_artifact_is_made_again_or_told(built: Project) -> None:
    index = built.image_index("00000")
    whole = pl.read_parquet(index)
    index.write_bytes(index.read_bytes()[:100])
    assert states(built, "images")["00000"][0] != "fresh"
    assert small_project.ran(run(built, "images")) == {"images": {"00000": 8}}
    assert pl.read_parquet(index).equals(whole)


def test_a_stage_says_what_it_waits_for(project: Project) -> None:
    small_project.drawn(project)
    outcome = run(project, "recaptions,t2i_checkpoint")
    assert not outcome.ran
    assert {one.reason for one in outcome.waiting if one.asset == "recaptions"} == {
        "images[00000] is not indexed as its tar is now",
        "images[00001] is not indexed as its tar is now",
    }
    assert {one.asset for one in outcome.waiting} == {"recaptions", "t2i_checkpoint"}


def test_the_settings_of_these_tests_are_of_known_stages(base_models: Path) -> None:
    assert settings(base_models)["extends"] == "scenes"
    assert set(small_project.TRAINED.split(",")) < set(STAGES)
