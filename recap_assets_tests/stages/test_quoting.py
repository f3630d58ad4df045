"""Styles whose prompts quote alt-text and other styles, through whole runs."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

from recap_assets.captioning.generate import caption
from recap_assets.captioning.load import load
from recap_assets.experiment import atomic
from recap_assets.experiment.project import Project
from recap_assets.images.reader import PictureReader
from recap_assets.stages import images, recipes
from recap_assets_tests import small_project
from recap_assets_tests.small_project import change, ran, run

STEPS = "images,recaptions"
SHARD = "00000"
REASON = "its caption of style 'seen', which is quoted, failed"


@pytest.fixture
def quoting(project: Project) -> Project:
    """A captioner as it comes, a style that quotes alt-text, and one that quotes that style."""
    small_project.drawn(project)
    change(project, "captioners.recap.tune", None)
    short = {"captioner": "recap", "max_tokens": 4}
    styles = {"brief": {"prompt": "{seen}", **short}, "seen": {"prompt": "{alt}", **short}}
    return change(project, "styles", styles)


def rows(project: Project, style: str) -> pl.DataFrame:
    found = recipes.store(project).read(recipes.recipe(project, style), SHARD)
    assert found is not None
    return found.sort("uid")


def said(project: Project, uid: str, prompt: str) -> str:
    """What the captioner says of one picture, asked by itself."""
    settings = project.config.captioners["recap"]
    row = images.usable(project, SHARD).filter(pl.col("uid") == uid)
    with PictureReader(images.source(project, SHARD)) as reader:
        shown = list(reader.pictures(row))
    model = load(project.model(settings.model), settings)
    return caption(model, shown, {"x": (prompt, 4)})["x"][0].text


def test_a_quoted_caption_is_made_first_and_stands_in_the_prompt(quoting: Project) -> None:
    assert not run(quoting, STEPS).failed
    alt = dict(images.usable(quoting, SHARD).select("uid", "alt").iter_rows())
    seen, brief = rows(quoting, "seen"), rows(quoting, "brief")
    assert brief.height == seen.height == len(alt)
    for one, other in zip(seen.iter_rows(named=True), brief.iter_rows(named=True), strict=True):
        assert one["caption"] == said(quoting, one["uid"], alt[one["uid"]])
        if other["status"] != "error":
            assert other["caption"] == said(quoting, one["uid"], one["caption"])
    told = json.loads(brief["sampling"][0])["reads"]
    assert told == {"seen": recipes.recipe(quoting, "seen").short, "alt": recipes.ALT.short}


def test_an_edited_alt_text_costs_the_rows_that_quote_it(quoting: Project) -> None:
    assert not run(quoting, STEPS).failed
    changed: list[str] = []

    def edit(samples: small_project.Samples) -> None:
        key = next(iter(samples))
        changed.append(key)
        samples[key]["txt"] = b"a word"

    small_project.edit(small_project.tar(quoting, SHARD), edit)
    assert ran(run(quoting, STEPS))["recaptions"] == {SHARD: 2}
    again = rows(quoting, "seen").filter(pl.col("source_key") == changed[0])
    assert again["caption"][0] == said(quoting, again["uid"][0], "a word")


def test_what_quotes_a_failed_caption_fails_with_the_reason(quoting: Project) -> None:
    assert not run(quoting, STEPS).failed
    its = recipes.recipe(quoting, "seen")
    path = recipes.store(quoting).path(its, SHARD)
    spoilt = rows(quoting, "seen").with_row_index("n")
    bad = pl.when(pl.col("n") == 0).then(pl.lit("looped")).when(pl.col("n") == 1)
    spoilt = spoilt.with_columns(status=bad.then(pl.lit("error")).otherwise(pl.col("status")))
    atomic.write_parquet(path, spoilt.drop("n"), atomic.read_parquet_metadata(path))
    shutil.rmtree(quoting.captions / "style=brief")
    assert not run(quoting, STEPS).failed
    brief = rows(quoting, "brief").sort("uid")
    assert brief["status"].to_list().count("error") == 2
    assert brief["error"].to_list()[:3] == [REASON, REASON, None]
