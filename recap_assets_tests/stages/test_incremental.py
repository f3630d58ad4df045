"""A rerun costs what changed: counted in rows, pictures, encodes and trained arms."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from recap_assets.experiment.project import Project
from recap_assets.scenes.draw import draw, png
from recap_assets.scenes.scene import sample
from recap_assets.stages import captioner, manifest, recipes, status
from recap_assets.stages.memory import remembering
from recap_assets.stages.stage import Status
from recap_assets_tests.conftest import Built
from recap_assets_tests.small_project import (
    CAPTIONS,
    TRAINED,
    Samples,
    add_shard,
    change,
    copy,
    edit,
    files,
    ran,
    run,
    same_store,
    tar,
)

pytestmark = pytest.mark.slow

ARMS = ["alttext-both-s0", "long-both-s0", "mix-both-s0"]


def encodes(project: Project) -> int:
    """How many pictures the project's captioner was shown so far in this process."""
    version = captioner.wanted(project, "recap")
    return captioner.loaded(project, "recap", version).encodes


def rows(project: Project, style: str, shard: str) -> pl.DataFrame:
    found = recipes.store(project).read(recipes.recipe(project, style), shard)
    assert found is not None
    return found


def behind(project: Project) -> list[Status]:
    """What `recap status` shows of the partitions that are not fresh."""
    with remembering():
        return [one for one in status.every(project) if one.state != "fresh"]


def stale(project: Project) -> set[tuple[str, str | None]]:
    return {(one.asset, one.partition) for one in behind(project)}


def contents(project: Project) -> dict[str, str]:
    return {style: manifest.content(project, style) for style in project.style_names()}


def told(project: Project) -> list[str]:
    """The keys of the first shard's pictures that have alt-text."""
    known = rows(project, "alt", "00000").filter(pl.col("status") == "ok")
    return sorted(known["source_key"])


def test_one_new_picture_costs_one_picture(built: Project) -> None:
    key = told(built)[0]

    def replace(samples: Samples) -> None:
        samples[key]["png"] = png(draw(sample(10_001)))

    before, seen = contents(built), encodes(built)
    old = rows(built, "long", "00000")
    edit(tar(built, "00000"), replace)

    assert ("images", "00000") in stale(built)
    assert ("images", "00001") not in stale(built)
    outcome = ran(run(built, TRAINED))

    assert outcome["images"] == {"00000": 8}
    assert outcome["recaptions"] == {"00000": 2}  # one row in each of two styles
    assert outcome["latents"] == {"00000": 1}
    assert set(outcome["caption_manifest"]) == {"alt", "short", "long"}
    assert outcome["t2i_checkpoint"] == dict.fromkeys(ARMS, 2)
    assert len(outcome) == 5
    assert encodes(built) - seen == 1
    after = contents(built)
    assert all(after[style] != before[style] for style in before)

    new = rows(built, "long", "00000")
    kept = old.filter(pl.col("source_key") != key)
    assert new.filter(pl.col("source_key") != key).equals(kept)
    assert set(new["uid"]) - set(old["uid"]) == set(new.filter(source_key=key)["uid"])


def test_new_alt_text_costs_no_captioning_and_one_arm(built: Project) -> None:
    key = told(built)[0]

    def rewrite(samples: Samples) -> None:
        samples[key]["txt"] = b"something else altogether"

    before, seen = contents(built), encodes(built)
    edit(tar(built, "00000"), rewrite)
    outcome = ran(run(built, TRAINED))

    assert outcome == {
        "images": {"00000": 8},
        "recaptions": {"00000": 0},
        "caption_manifest": {"alt": manifest.frame(built, "alt").height},
        "t2i_checkpoint": {"alttext-both-s0": 2},
    }
    assert encodes(built) == seen
    after = contents(built)
    assert {style for style in after if after[style] != before[style]} == {"alt"}
    assert "something else altogether" in manifest.frame(built, "alt")["caption"].to_list()
    assert ("samples", "alttext-both-s0") in stale(built)
    assert ("samples", "long-both-s0") not in stale(built)


def test_a_tar_that_was_only_touched_costs_nothing(built: Project) -> None:
    os.utime(tar(built, "00000"), (1, 1))
    assert run(built, TRAINED).ran == []


def test_another_prompt_costs_its_own_style_and_going_back_nothing(built: Project) -> None:
    untuned = change(built, "captioners.recap.tune", None)
    first = ran(run(untuned, CAPTIONS))
    assert first["recaptions"] == {"00000": 16, "00001": 16}
    before, kept = contents(untuned), files(untuned.captions)

    asked = change(untuned, "styles.long.prompt", "tell me more:")
    seen = encodes(asked)
    outcome = ran(run(asked, CAPTIONS))
    assert outcome["recaptions"] == {"00000": 8, "00001": 8}
    assert set(outcome) <= {"recaptions", "caption_manifest"}
    assert set(outcome["caption_manifest"]) == {"long"}
    assert encodes(asked) - seen == 16
    now = contents(asked)
    assert all(now[style] == before[style] for style in ("alt", "short"))
    # Old recipes stay beside the new one.
    assert kept.items() <= files(asked.captions).items()

    back = change(asked, "styles.long.prompt", "long caption:")
    assert run(back, CAPTIONS).ran == []
    assert contents(back) == before
    assert encodes(back) - seen == 16


def test_the_prompt_of_a_learned_style_is_part_of_its_captioner(built: Project) -> None:
    asked = change(built, "styles.long.prompt", "a long one:")
    outcome = ran(run(asked, "captioner,recaptions"))
    assert outcome == {"captioner": {"recap": 2}, "recaptions": {"00000": 16, "00001": 16}}


def test_a_new_style_costs_that_style(built: Project) -> None:
    more = change(built, "styles.tag", {"prompt": "", "max_tokens": 8, "captioner": "recap"})
    before, seen = contents(built), encodes(more)
    outcome = ran(run(more, CAPTIONS))
    assert outcome["recaptions"] == {"00000": 8, "00001": 8}
    assert set(outcome["caption_manifest"]) == {"tag"}
    assert encodes(more) - seen == 16
    now = contents(more)
    assert {style: now[style] for style in before} == before


def test_a_new_shard_costs_that_shard(built: Project) -> None:
    add_shard(built, "00002")
    seen = encodes(built)
    outcome = ran(run(built, f"{CAPTIONS},latents"))
    assert outcome["images"] == {"00002": 8}
    assert outcome["recaptions"] == {"00002": 16}
    assert outcome["latents"] == {"00002": 8}
    assert set(outcome["caption_manifest"]) == {"alt", "short", "long"}
    assert manifest.frame(built, "long").height == 24
    assert encodes(built) - seen == 8


def test_a_shard_that_went_leaves_the_caption_sets(built: Project) -> None:
    fewer = change(built, "world.shards", 1)
    seen = encodes(fewer)
    outcome = ran(run(fewer, f"{CAPTIONS},latents"))
    assert set(outcome) == {"caption_manifest"}
    assert set(manifest.frame(fewer, "long")["shard"]) == {"00000"}
    assert encodes(fewer) == seen
    arms = {key for asset, key in stale(fewer) if asset == "t2i_checkpoint"}
    assert arms == set(ARMS)
    # Captions cost a lot and are small: they stay until somebody throws them away.
    assert list(fewer.captions.rglob("00001.parquet"))


def test_another_text_encoder_costs_a_count_and_no_caption(
    built: Project, base_models: Path
) -> None:
    t5 = {"model": str(base_models / "t2i" / "tokenizer"), "limit": 512}
    counted = change(built, "encoders.t5", t5)
    assert ("recaptions", "00000") in stale(counted)
    before, seen = contents(built), encodes(counted)
    old = rows(built, "long", "00000")
    outcome = ran(run(counted, CAPTIONS))
    assert outcome["recaptions"] == {"00000": 0, "00001": 0}
    assert encodes(counted) == seen
    assert contents(counted) == before
    new = rows(counted, "long", "00000")
    assert old["n_tokens_t5"].null_count() == old.height
    assert new["n_tokens_t5"].to_list() == new["n_tokens_clip"].to_list()
    assert new.drop("n_tokens_t5").equals(old.drop("n_tokens_t5"))
    assert not {key for asset, key in stale(counted) if asset == "t2i_checkpoint"}


def test_a_moved_project_is_as_fresh_as_before(built: Project) -> None:
    moved = copy(built, built.file.parent.with_name("moved"))
    assert stale(moved) == set()


@pytest.mark.parametrize(
    ("dotted", "value", "first"),
    [
        ("t2i.lr", 2e-4, {"t2i_checkpoint"}),
        ("evaluation.guidance", 2.0, {"samples"}),
        ("evaluation.threshold", 0.4, {"metrics"}),
        ("evaluation.bootstrap", 120, {"metric_table"}),
        ("human.seed", 1, {"human_captions"}),
        ("dataset.max_pixels", 5000, {"images", "human_captions"}),
        ("captioners.recap.batch", 8, set()),
        ("evaluation.batch", 8, set()),
        ("gates.decode_error_rate", 0.2, set()),
        ("schedule.shards_per_tick", 3, set()),
    ],
)
def test_a_setting_reaches_what_depends_on_it_and_no_more(
    first_run: Built, tmp_path: Path, dotted: str, value: object, first: set[str]
) -> None:
    changed = change(same_store(first_run.project, tmp_path), dotted, value)
    # The others only wait for these.
    own = [one for one in behind(changed) if one.reason == "its inputs or settings changed"]
    assert {one.asset for one in own} == first
    assert bool(behind(changed)) == bool(first)
