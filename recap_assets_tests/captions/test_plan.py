"""Random histories of a shard: what is captioned again must be exactly what changed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recap_assets.captions import schema
from recap_assets.captions.generated import Generated
from recap_assets.captions.plan import Refresh, split
from recap_assets.captions.recipe import ALT, Recipe
from recap_assets.captions.rows import build, build_alt
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import (
    index_of,
    index_row,
    make_recipe,
    make_stamp,
    sha_of,
)

RECIPES = [make_recipe(), make_recipe(prompt="another prompt:"), make_recipe(style="short"), ALT]


class Picture(NamedTuple):
    content: str
    alt: str
    status: str


class Step(NamedTuple):
    pictures: dict[str, Picture]
    recipe: int
    refresh: Refresh
    failing: set[str]


PICTURE = st.builds(
    Picture,
    st.sampled_from("ABCDEF"),
    st.sampled_from("xy"),
    st.sampled_from(["ok"] * 5 + ["error"]),
)
STEP = st.builds(
    Step,
    st.dictionaries(st.sampled_from("12345"), PICTURE, max_size=5),
    st.integers(0, len(RECIPES) - 1),
    st.sampled_from(["stale", "stale", "errors", "all"]),
    st.sets(st.sampled_from("ABCDEF"), max_size=2),
)


def index_at(step: Step) -> pl.DataFrame:
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for key, picture in step.pictures.items():
        repeated = picture.status == "ok" and picture.content in seen
        status = "duplicate" if repeated else picture.status
        seen |= {picture.content} if status == "ok" else set()
        rows.append(index_row(picture.content, key=key, alt=picture.alt, status=status))
    return index_of(rows)


def fresh_rows(todo: pl.DataFrame, recipe: Recipe, step: Step, run: int) -> pl.DataFrame:
    stamp = make_stamp(f"run-{run}", minute=run)
    if recipe.copies_alt:
        return build_alt(todo, stamp)
    failing = {sha_of(content) for content in step.failing}
    made = [
        Generated(f"caption of {sha[:6]}", error="failed" if sha in failing else None)
        for sha in todo["image_sha256"]
    ]
    return build(todo, made, recipe, stamp)


Known = dict[tuple[str, str], tuple[int, bool]]


class Oracle:
    """Plain dictionaries: per recipe, (picture, alt) -> the run that captioned it, and failure.

    `stored` is what the shard shows; `left` the last that is known of pictures that went.
    """

    def __init__(self) -> None:
        self.stored: dict[int, Known] = {}
        self.left: dict[int, Known] = {}

    def step(self, step: Step, run: int) -> tuple[set[str], dict[str, int]]:
        """(contents to caption, content -> run of every row after)."""
        is_alt = RECIPES[step.recipe].copies_alt
        before = self.stored.get(step.recipe, {})
        left = self.left.setdefault(step.recipe, {})
        wanted: dict[str, str] = {}
        for picture in step.pictures.values():
            if picture.status == "ok":
                wanted.setdefault(picture.content, picture.alt if is_alt else "")
        todo, after = set(), {}
        for pair in wanted.items():
            places = (before, {} if is_alt else left)
            found = [place[pair] for place in places if pair in place]
            good = [row for row in found if step.refresh == "stale" or not row[1]]
            if step.refresh == "all" or not good:
                todo.add(pair[0])
                after[pair] = (run, pair[0] in step.failing and not is_alt)
            else:
                after[pair] = good[0]
        left |= {pair: row for pair, row in before.items() if pair not in after}
        self.stored[step.recipe] = after
        return todo, {content: known[0] for (content, _), known in after.items()}


@settings(max_examples=25)
@given(st.lists(STEP, min_size=1, max_size=5))
def test_recomputed_is_changed_exactly(history: list[Step]) -> None:
    oracle = Oracle()
    with tempfile.TemporaryDirectory() as folder:
        store = CaptionStore(Path(folder))
        for run, step in enumerate(history):
            recipe, index = RECIPES[step.recipe], index_at(step)
            before = store.read(recipe, "00000")
            plan = store.plan(index, recipe, step.refresh)
            rows = pl.concat([plan.kept, fresh_rows(plan.todo, recipe, step, run)])
            published = store.publish(recipe, "00000", rows)

            todo, runs = oracle.step(step, run)
            assert sorted(plan.todo["image_sha256"]) == sorted(map(sha_of, todo))
            after = store.read(recipe, "00000")
            assert after is not None
            found = dict(after.select("image_sha256", "run_id").iter_rows())
            assert found == {sha_of(content): f"run-{at}" for content, at in runs.items()}
            unchanged = before is not None and after.equals(before)
            assert published.written == (not unchanged)
            usable = index.filter(pl.col("status") == "ok")
            names = usable.select("uid", "key").sort("uid").rows()
            assert after.select("uid", "source_key").rows() == names
            again = store.plan(index, recipe)
            assert again.todo.height == 0
            assert again.kept.equals(after)
            assert not list(Path(folder).rglob(".tmp-*"))


def test_kept_rows_are_byte_equal_and_todo_are_index_rows() -> None:
    recipe, index = make_recipe(), index_of([index_row(name) for name in "ab"])
    stored = build(index, [Generated("a"), Generated("b")], recipe, make_stamp("old")).sort("uid")
    grown = index_of([index_row(name) for name in "cab"])
    plan = split(grown, stored, recipe, "stale")
    assert plan.kept.equals(stored)
    assert plan.todo.equals(grown.filter(pl.col("key") == "key-c"))
    assert plan.errors == 0


def test_errors_are_kept_and_counted_unless_asked_for() -> None:
    recipe, index = make_recipe(), index_of([index_row(name) for name in "ab"])
    made = [Generated("", error="out of memory"), Generated("", finished=False)]
    stored = build(index, made, recipe, make_stamp("old"))
    stale, errors = (split(index, stored, recipe, how) for how in ("stale", "errors"))
    assert (stale.errors, stale.todo.height) == (1, 0)
    assert (errors.errors, errors.todo["key"].to_list()) == (0, ["key-a"])
    assert split(index, stored, recipe, "all").kept.equals(schema.empty())


def test_a_picture_that_changed_its_name_is_not_captioned_again() -> None:
    recipe, index = make_recipe(), index_of([index_row("a")])
    stored = build(index, [Generated("a")], recipe, make_stamp("old"))
    plan = split(index_of([index_row("a", key="new", url="u")]), stored, recipe, "stale")
    assert plan.todo.height == 0
    assert plan.kept.select("source_key", "url", "run_id").row(0) == ("new", "u", "old")


def test_a_repeated_picture_counts_once() -> None:
    index = index_of([index_row("a", key="1"), index_row("a", key="2")])
    assert split(index, schema.empty(), make_recipe(), "stale").todo["key"].to_list() == ["1"]


def test_an_unknown_refresh_names_the_known() -> None:
    with pytest.raises(UserError, match="stale, errors, all"):
        split(index_of([]), schema.empty(), make_recipe(), "everything")  # type: ignore[arg-type]
