"""What is exported and what is left out, against rules told picture by picture."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recap_assets.captions import rows as caption_rows
from recap_assets.captions.export.choice import Choice
from recap_assets.captions.export.selection import Rules, select
from recap_assets.captions.export.shard import Shard, gather
from recap_assets.captions.generated import Generated
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import (
    index_of,
    index_row,
    make_recipe,
    make_stamp,
    sha_of,
)

RECIPE = make_recipe()
GOOD, REFUSED = "a red car", "As an AI, I cannot."
#: content, whether its caption is good here, and the status of its index row.
PICTURE = st.tuples(
    st.sampled_from("abcde"), st.booleans(), st.sampled_from(["ok", "ok", "ok", "error"])
)


def shard_of(key: str, pictures: list[tuple[str, bool, str]]) -> Shard:
    rows: list[dict[str, Any]] = []
    said: dict[str, bool] = {}
    for content, good, status in pictures:
        if status == "ok" and content in said:
            status = "duplicate"
        said.setdefault(content, good)
        rows.append(index_row(content, shard=key, status=status, key=f"{key}-{len(rows)}"))
    index = index_of(rows)
    once = index.unique("uid", keep="first", maintain_order=True)
    texts = [Generated(GOOD if good else REFUSED) for good in said.values()]
    stored = caption_rows.build(once, texts, RECIPE, make_stamp("run"))
    return gather(key, index, {"long": stored}, {"long": RECIPE})


def expected(shards: list[Shard], rules: Rules) -> list[str]:
    """The rules of the README, one row after the other."""
    rows = [row for shard in shards for row, _ in shard.entries()]
    goods = [row["good"] for row in rows]
    able = [row["status"] != "error" and row["image_sha256"] not in rules.held_out for row in rows]
    found = []
    for place, row in enumerate(rows):
        same = [i for i, other in enumerate(rows) if other["uid"] == row["uid"] and able[i]]
        best = next((i for i in same if goods[i]), same[0] if same else None)
        if row["status"] == "error":
            found.append("unusable")
        elif row["image_sha256"] in rules.held_out:
            found.append("held_out")
        elif place != best and not rules.keep_duplicates:
            found.append("repeated")
        elif not goods[place] and not rules.keep_failed:
            found.append("failed")
        else:
            found.append("exported")
    return found


@given(
    st.lists(st.lists(PICTURE, min_size=1, max_size=5), min_size=1, max_size=4),
    st.sets(st.sampled_from("abcde"), max_size=2),
    st.booleans(),
    st.booleans(),
)
def test_every_row_has_the_outcome_that_the_rules_say(
    drawn: list[list[tuple[str, bool, str]]], held: set[str], failed: bool, repeated: bool
) -> None:
    choice = Choice(style="long")
    shards = [choice.apply(shard_of(f"{i:05d}", one)) for i, one in enumerate(drawn)]
    rules = Rules({sha_of(content) for content in held}, failed, repeated)
    selection = select(shards, rules)
    wanted = expected(shards, rules)
    assert [out for shard in shards for out in selection.outcomes[shard.key]] == wanted
    counts, tally = selection.counts, Counter(wanted)
    assert counts.pictures == len(wanted)
    assert (counts.exported, counts.unusable) == (tally["exported"], tally["unusable"])
    assert (counts.held_out, counts.repeated) == (tally["held_out"], tally["repeated"])
    assert sum(counts.failed.values()) == tally["failed"]
    shown = sum(sum(statuses.values()) for statuses in counts.statuses.values())
    assert shown == counts.exported + tally["failed"]
    for shard in map(selection.apply, shards):
        exported = shard.where(pl.col("outcome") == "exported").rows
        assert set(exported["caption"]) <= {GOOD, ""}
        assert (exported["caption"] == "").to_list() == (~exported["good"]).to_list()


def test_without_a_choice_any_good_caption_will_do() -> None:
    shard = Choice().apply(shard_of("a", [("a", True, "ok"), ("b", False, "ok")]))
    assert shard.rows["good"].to_list() == [True, False]
    assert shard.rows["caption"].null_count() == 2
    assert select([shard], Rules()).counts.failed == {"no good caption": 1}


def test_an_arms_own_words_are_shown() -> None:
    uid = sha_of("a")[:32]
    drawn = pl.DataFrame({"uid": [uid], "style": ["long"], "caption": ["a red"]})
    shard = Choice(drawn=drawn).apply(shard_of("a", [("a", True, "ok"), ("b", True, "ok")]))
    assert shard.rows["caption"].to_list() == ["a red", None]
    assert select([shard], Rules()).counts.failed == {"not shown by the arm": 1}


def test_a_missing_caption_row_is_told() -> None:
    index = index_of([index_row("a"), index_row("b"), index_row("c", status="error")])
    stored = caption_rows.build(index.head(1), [Generated(GOOD)], RECIPE, make_stamp("run"))
    with pytest.raises(UserError, match="shard x: 1 pictures lack a current caption"):
        gather("x", index, {"long": stored}, {"long": RECIPE})
    gather("x", index.filter(pl.col("key") != "key-b"), {"long": stored}, {"long": RECIPE})


def test_nothing_at_all_is_counted_as_nothing() -> None:
    assert select([], Rules()).counts.pictures == 0
