"""One file with the rows of many: the same rows, whole or not at all."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from recap_assets.captions.compact import compact
from recap_assets.captions.generated import Generated
from recap_assets.captions.rows import build
from recap_assets.captions.schema import CAPTIONS
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import index_of, index_row, make_recipe, make_stamp

LONG, OLD = make_recipe(), make_recipe(prompt="an earlier prompt:")
SHORT = make_recipe(style="short")
CURRENT = {"long": LONG.digest, "short": SHORT.digest}


def store_of(root: Path, shards: int, rows: int = 3) -> pl.DataFrame:
    """A store of two styles and an old recipe; the rows of the current recipes."""
    store, current = CaptionStore(root), []
    for shard in (f"{number:05d}" for number in range(shards)):
        index = index_of([index_row(f"{shard}-{n}", shard=shard) for n in range(rows)])
        atomic.write_parquet(root / "images" / f"{shard}.parquet", index)
        for recipe in (LONG, OLD, SHORT):
            texts = [Generated(f"{recipe.prompt} {shard} {n}") for n in range(rows)]
            made = build(index, texts, recipe, make_stamp("run"))
            store.publish(recipe, shard, made)
            current += [made] if recipe is not OLD else []
    return pl.concat(current)


def test_the_file_has_the_rows_of_the_current_recipes(tmp_path: Path) -> None:
    expected = store_of(tmp_path / "st[o]re", 7)
    target = tmp_path / "out" / "all's [1].parquet"
    assert compact(tmp_path / "st[o]re", CURRENT, target) == expected.height == 42
    found = pl.read_parquet(target, glob=False, hive_partitioning=False)
    order = ["style", "shard", "uid"]
    assert found.select(order).equals(found.select(order).sort(order))
    assert found.select(list(CAPTIONS)).sort(order).equals(expected.sort(order))
    assert {path.name for path in target.parent.iterdir()} == {target.name}


def test_the_snapshot_answers_as_the_view_does(tmp_path: Path) -> None:
    store_of(tmp_path, 4)
    compact(tmp_path, CURRENT, tmp_path / "all.parquet")
    query = "SELECT style, count(*), sum(n_words) FROM '{}' GROUP BY style ORDER BY style"
    with duckdb.connect() as connection:
        asked = connection.sql(query.format(tmp_path / "all.parquet")).fetchall()
    assert asked == [("long", 12, 48), ("short", 12, 48)]


def test_a_store_without_captions_gives_an_empty_file(tmp_path: Path) -> None:
    assert compact(tmp_path, {}, tmp_path / "all.parquet") == 0
    assert set(CAPTIONS) <= set(pl.read_parquet_schema(tmp_path / "all.parquet"))


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    store_of(tmp_path, 4, rows=200)
    target = tmp_path / "all.parquet"
    target.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(UserError, match="all.parquet"):
            compact(tmp_path, CURRENT, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == b"old"
    assert not list(tmp_path.glob(".tmp-*"))
