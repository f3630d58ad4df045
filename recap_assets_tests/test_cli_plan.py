"""`recap plan`, `recap run --refresh` and `recap gc`: what they say is what a run then does."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from recap_assets.experiment.project import Project
from recap_assets.scenes.draw import draw, png
from recap_assets.scenes.scene import sample
from recap_assets.stages import checkpoint, recipes
from recap_assets_tests.small_project import Samples, change, edit, files, tar
from recap_assets_tests.test_cli import Recap, recap

__all__ = ["recap"]

pytestmark = pytest.mark.slow


def fail_rows(project: Project, style: str, shard: str, number: int) -> None:
    """Make some stored rows failures, as a captioner that ran out of memory would leave them."""
    store, its = recipes.store(project), recipes.recipe(project, style)
    rows, footer = store.read(its, shard), store.footer(its, shard)
    assert rows is not None and footer is not None
    failed = pl.int_range(pl.len()) < number
    rows = rows.with_columns(
        status=pl.when(failed).then(pl.lit("error")).otherwise("status"),
        error=pl.when(failed).then(pl.lit("out of memory")).otherwise("error"),
        caption=pl.when(failed).then(pl.lit("")).otherwise("caption"),
    )
    store.publish(its, shard, rows, pictures=footer.pictures, counted=footer.counted)


def test_nothing_to_do(recap: Recap, built: Project) -> None:
    before = files(built.root)
    answer = recap("plan", "--json", "-c", str(built.file))
    assert (answer.code, answer.err) == (0, "")
    told = answer.told
    assert (told["rows_to_caption"], told["rows_reused"]) == (0, 32)
    assert (told["shards"], told["arms_to_train"], told["captioners_to_tune"]) == ({}, {}, [])
    assert told["seconds"] == 0
    assert files(built.root) == before


def test_a_plan_before_anything_is_built_counts_every_row(recap: Recap, project: Project) -> None:
    config = str(project.file)
    assert "`recap sync` draws the world" in recap("plan", "-c", config).line
    recap("sync", "-c", config)
    before = files(project.root)
    told = recap("plan", "--json", "-c", config).told
    assert told["rows_to_caption"] == 32
    assert told["styles"]["long"]["reasons"] == {"new picture": 16}
    assert set(told["shards"]) == {"00000", "00001"}
    assert told["captioners_to_tune"] == ["recap"]
    assert set(told["arms_to_train"]) == set(project.arm_keys())
    assert told["seconds"] is None
    assert files(project.root) == before


def test_each_reason_is_named(recap: Recap, built: Project) -> None:
    def replace(samples: Samples) -> None:
        first, second, *_ = sorted(samples)
        samples[first]["png"] = png(draw(sample(10_001)))
        samples["zz"] = {"png": png(draw(sample(10_002))), "txt": b"new"}
        del samples[second]

    edit(tar(built, "00000"), replace)
    told = recap("plan", "--json", "-c", str(built.file)).told
    assert told["styles"]["long"]["reasons"] == {"image changed": 1, "new picture": 1}
    assert told["shards"]["00000"].startswith("images:")
    assert set(told["arms_to_train"]) == set(built.arm_keys())

    for dotted, value, reason in (
        ("styles.long.max_tokens", 40, "settings changed"),
        ("captioners.recap.tune.seed", 1, "captioner changed"),
    ):
        changed = change(built, dotted, value)
        reasons = recap("plan", "--json", "-c", str(changed.file)).told["styles"]["long"]["reasons"]
        assert reasons[reason] == 14  # both shards, without the one removed and the one replaced
    untuned = change(built, "captioners.recap.tune", None)
    recap("run", "--select", "images,recaptions", "-c", str(untuned.file))
    asked = change(untuned, "styles.long.prompt", "tell me:")
    told = recap("plan", "--json", "-c", str(asked.file)).told
    assert told["styles"]["long"]["reasons"] == {"prompt changed": 16}
    assert told["styles"]["short"]["rows_to_caption"] == 0
    assert told["styles"]["long"]["seconds"] > 0
    assert "prompt changed" in recap("plan", "-c", str(asked.file)).out


def test_an_arm_is_trained_again_only_if_its_own_captions_may_change(
    recap: Recap, built: Project
) -> None:
    changed = change(built, "styles.long.max_tokens", 40)
    told = recap("plan", "--json", "-c", str(changed.file)).told
    assert set(told["arms_to_train"]) == {"long-both-s0", "mix-both-s0"}
    assert "captions of style 'long' to write" in told["arms_to_train"]["long-both-s0"]

    def rewrite(samples: Samples) -> None:
        samples[sorted(samples)[0]]["txt"] = b"another alt-text"

    edit(tar(built, "00001"), rewrite)
    back = change(built, "styles.long.max_tokens", 48)
    told = recap("plan", "--json", "-c", str(back.file)).told
    assert told["rows_to_caption"] == 0
    assert list(told["arms_to_train"]) == ["alttext-both-s0"]


def test_a_damaged_tar_is_a_problem_and_hides_no_other(recap: Recap, built: Project) -> None:
    tar(built, "00001").write_bytes(b"no tar at all")
    answer = recap("plan", "--json", "-c", str(built.file))
    assert answer.code == 1
    assert [line for line in answer.told["problems"] if str(tar(built, "00001")) in line]
    assert answer.told["rows_reused"] == 16


@pytest.mark.parametrize(("how", "rows"), [("errors", 3), ("all", 32)])
def test_refresh_makes_again_what_it_says(
    recap: Recap, built: Project, how: str, rows: int
) -> None:
    fail_rows(built, "long", "00000", 3)
    config = str(built.file)
    assert recap("plan", "--json", "-c", config).told["rows_to_caption"] == 0
    plan = recap("plan", "--json", "--refresh", how, "-c", config).told
    assert plan["rows_to_caption"] == rows
    reason = {"errors": "error to retry", "all": "asked for again"}[how]
    assert plan["styles"]["long"]["reasons"] == {reason: 3 if how == "errors" else 16}
    run = ("run", "--select", "recaptions", "--refresh", how, "--json", "-c", config)
    done = recap(*run, "--workers", "2" if how == "all" else "1").told
    assert sum(one["computed"] for one in done["ran"]) == rows
    assert not [one for one in done["ran"] if one["error"]]
    found = recipes.statuses(built, "00000")["long"]
    assert "error" not in found


def test_an_unknown_refresh_names_the_known(recap: Recap, built: Project) -> None:
    line = recap("run", "--refresh", "some", "-c", str(built.file)).line
    assert "stale, errors, all" in line


def test_gc_says_first_and_drops_only_what_nothing_asks_for(recap: Recap, built: Project) -> None:
    config = str(built.file)
    assert recap("gc", "--json", "-c", config).told == []
    asked = change(change(built, "styles.long.max_tokens", 40), "t2i.seed", 1)
    assert recap("gc", "--json", "-c", config).told == [], "nothing took its place yet"
    recap("run", "--select", "recaptions,caption_manifest,t2i_checkpoint", "-c", config)

    before = files(asked.root)
    answer = recap("gc", "--json", "-c", config)
    told = {Path(one["path"]).relative_to(asked.root).parts[0] for one in answer.told}
    assert told == {"captions", "checkpoints"}
    assert sum(one["bytes"] for one in answer.told) > 0
    assert files(asked.root) == before
    assert "captions of an old recipe" in recap("gc", "-c", config).out

    recap("gc", "--yes", "-c", config)
    assert recap("gc", "--json", "-c", config).told == []
    told = recap("status", "--json", "-c", config).told
    assert {one["state"] for one in told if one["asset"] in ("recaptions", "t2i_checkpoint")} == {
        "fresh"
    }
    kept = {path.parent.name for path in (asked.root / "checkpoints").glob("*/*")}
    assert kept == set(asked.arm_keys())
    assert checkpoint.card(asked, "long-both-s0")["arm"] == "long-both-s0"


def test_gc_takes_what_killed_writers_left_and_spares_those_at_work(
    recap: Recap, built: Project
) -> None:
    old, new = (built.images / f".tmp-{name}.parquet" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    recap("gc", "--yes", "-c", str(built.file))
    assert (old.exists(), new.exists()) == (False, True)


def test_captions_of_a_picture_that_left_are_kept_until_gc(recap: Recap, built: Project) -> None:
    config, removed = str(built.file), {}

    def remove(samples: Samples) -> None:
        key = sorted(samples)[0]
        removed[key] = samples.pop(key)

    edit(tar(built, "00000"), remove)
    recap("run", "--select", "images,recaptions", "-c", config)
    edit(tar(built, "00000"), lambda samples: samples.update(removed))
    assert recap("plan", "--json", "-c", config).told["rows_to_caption"] == 0
    recap("gc", "--yes", "-c", config)
    assert recap("plan", "--json", "-c", config).told["rows_to_caption"] == 2
