"""Every query of docs/sql.md, asked of a small store whose answers are known by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from recap_assets.captions import tables
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import ALT
from recap_assets.captions.rows import build, build_alt
from recap_assets.captions.store import CaptionStore
from recap_assets.captions.views import connect
from recap_assets.experiment import atomic
from recap_assets_tests.captions.making import (
    index_of,
    index_row,
    make_recipe,
    make_stamp,
    sha_of,
)

GUIDE = Path(__file__).parents[2] / "docs" / "sql.md"
LONG, OLD = make_recipe(), make_recipe(prompt="an older prompt:")
FULL = " ".join(f"w{number}" for number in range(76))
TEXTS = {
    "a": Generated("Two cats, left"),
    "b": Generated("a red cat"),
    "c": Generated("a red cat"),
    "d": Generated("two cats left."),
}
OTHERS = {
    "e": Generated(FULL),
    "f": Generated("so so so so"),
    "g": Generated("", error="no\nmemory"),
}
CAPTION_SET = {"long": "1" * 64, "alt": "2" * 64}


def answers() -> dict[str, list[tuple[Any, ...]]]:
    """What each question of the guide should be answered with."""
    uid = {name: sha_of(name)[:32] for name in "abcdefg"}
    recipe = LONG.seed(sha_of("b"))
    sampling = LONG.sampling_json
    return {
        # Lengths of alt: 2, 2, 2, 2, 2, 2, 2; of long: 3, 3, 3, 3, 76.
        "How long are the captions": [("alt", [2, 2, 2]), ("long", [3, 3, 3])],
        "How large is the vocabulary": [("alt", 14, 8), ("long", 12 + 76, 6 + 76)],
        "Which captions are said most": [("long", "a red cat", 2)],
        "What share does each text": [("alt", 0.0, None), ("long", 1 / 5, None)],
        "What failed": [
            ("caption", "long", "error", "no memory", 1),
            ("caption", "long", "looped", "looped", 1),
            ("image", None, "error", "cut off", 1),
        ],
        "What changed": [(OLD.short, uid["a"], "cats", "Two cats, left")],
        "Where does a caption": [
            ("long", "a red cat", "base:captioner", None, "a" * 64)
            + ("long", sampling, recipe, "new", "https://x.example/b")
        ],
        "Which shards are worst": [("00001", 2 / 3, 3), ("00000", 0.0, 4)],
        "Which captions say nearly": [
            # Case and stops apart, and the alt-texts that differ in nothing but a letter do not.
            ("long", ["Two cats, left", "two cats left."], 2)
        ],
        "Which checkpoint saw": [
            ("mix-both-s0", "d" * 64, '{"alt": 1.0, "long": 3.0}', "alt", "2" * 64),
            ("mix-both-s0", "d" * 64, '{"alt": 1.0, "long": 3.0}', "long", "1" * 64),
        ],
        "How does a metric grow": [
            ("fid", "mix-both-s0", 100, 3.5, 3.0, 4.0),
            ("fid", "mix-both-s0", 300, 2.5, 2.0, 3.0),
        ],
    }


def queries() -> dict[str, str]:
    """The query under each heading of the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    sections = [section.partition("\n") for section in text.split("\n## ")[1:]]
    found = {title: re.findall(r"```sql\n(.*?)```", body, re.S) for title, _, body in sections}
    assert all(len(blocks) == 1 for blocks in found.values()), found
    return {title: blocks[0] for title, blocks in found.items()}


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    root = tmp_path_factory.mktemp("store")
    for shard, made in (("00000", TEXTS), ("00001", OTHERS)):
        rows = [index_row(name, shard=shard, url=f"https://x.example/{name}") for name in made]
        usable, new = index_of(rows), make_stamp("new")
        bad = [index_row("z", shard=shard, status="error", error="cut off")][: shard == "00001"]
        atomic.write_parquet(root / "images" / f"{shard}.parquet", index_of([*rows, *bad]))
        captions = build(usable, list(made.values()), LONG, new)
        CaptionStore(root).publish(LONG, shard, captions)
        CaptionStore(root).publish(ALT, shard, build_alt(usable, new))
    before = [Generated("cats"), Generated("a red cat")]
    old = build(index_of([index_row("a"), index_row("b")]), before, OLD, make_stamp("old"))
    CaptionStore(root).publish(OLD, "00000", old)
    row = {name: None for name in tables.CHECKPOINTS} | {
        "arm": "mix-both-s0",
        "digest": "d" * 64,
        "mix": json.dumps({"alt": 1.0, "long": 3.0}),
        "caption_set": json.dumps(CAPTION_SET),
    }
    atomic.write_parquet(
        root / "checkpoints" / "mix-both-s0" / ("d" * 12) / "row.parquet",
        pl.DataFrame([row], schema=tables.CHECKPOINTS),
    )
    measured = [
        {"arm": arm, "metric": "fid", "value": value, "ci_low": value - 0.5, "ci_high": value + 0.5}
        | {"step": step}
        for arm, step, value in (
            ("base", None, 9.5),
            ("mix-both-s0", 300, 2.5),
            ("mix-both-s0", 100, 3.5),
        )
    ]
    atomic.write_parquet(
        root / "tables" / "metrics.parquet",
        pl.DataFrame([dict.fromkeys(tables.METRICS) | row for row in measured], tables.METRICS),
    )
    with connect(root, {"long": LONG.digest, "alt": ALT.digest}) as connected:
        yield connected


@pytest.mark.parametrize("title", queries())
def test_the_guide_answers_its_questions(connection: duckdb.DuckDBPyConnection, title: str) -> None:
    (expected,) = (found for start, found in answers().items() if title.startswith(start))
    assert connection.execute(queries()[title]).fetchall() == expected


def test_every_answer_has_its_question() -> None:
    assert len(answers()) == len(queries())
