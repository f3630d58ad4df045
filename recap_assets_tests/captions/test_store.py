from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from recap_assets.captions import schema
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import Recipe
from recap_assets.captions.rows import build
from recap_assets.captions.store import CaptionStore
from recap_assets.experiment.errors import UserError
from recap_assets_tests.captions.making import index_of, index_row, make_recipe, make_stamp

RECIPE = make_recipe()


def rows_of(captions: dict[str, str], recipe: Recipe = RECIPE, run: str = "r1") -> pl.DataFrame:
    index = index_of([index_row(content) for content in captions])
    return build(index, [Generated(text) for text in captions.values()], recipe, make_stamp(run))


def test_what_is_published_is_read_and_lies_where_it_says(tmp_path: Path) -> None:
    store, rows = CaptionStore(tmp_path), rows_of({"a": "one", "b": "two", "c": ""})
    published = store.publish(RECIPE, "00007", rows.with_columns(shard=pl.lit("00007")))
    expected = tmp_path / "captions" / "style=long" / f"recipe={RECIPE.short}" / "00007.parquet"
    assert published.path == store.path(RECIPE, "00007") == expected
    footer = published.footer
    assert (footer.rows, footer.statuses) == (3, {"empty": 1, "ok": 2})
    read = store.read(RECIPE, "00007")
    assert read is not None
    assert read.schema == schema.CAPTIONS
    assert read.drop("shard").equals(rows.sort("uid").drop("shard"))


def test_nothing_published_is_none(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    assert store.read(RECIPE, "00000") is None
    assert store.footer(RECIPE, "00000") is None
    assert list(tmp_path.iterdir()) == []


def test_the_footer_answers_without_rows(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    rows = rows_of({"a": "one", "b": "two"})
    published = store.publish(RECIPE, "00000", rows, pictures="pictures", computed=2, seconds=0.5)
    footer = pq.read_schema(published.path).metadata
    assert footer[b"recipe"].decode() == RECIPE.digest
    assert footer[b"rows"] == b"2"
    assert json.loads(footer[b"statuses"]) == {"ok": 2}
    assert footer[b"content"].decode() == published.footer.content
    assert store.footer(RECIPE, "00000") == published.footer
    assert (published.footer.pictures, published.footer.computed) == ("pictures", 2)
    assert published.footer.seconds == 0.5


def test_the_content_digest_is_of_uid_caption_and_status_in_any_order(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    rows = rows_of({"a": "one", "b": "two"})
    first = store.publish(RECIPE, "00000", rows)
    later = rows_of({"b": "two", "a": "one"}, run="r2")
    assert store.publish(RECIPE, "00000", later).footer.content == first.footer.content
    for change in ({"caption": pl.lit("x")}, {"status": pl.lit("truncated")}):
        changed = rows.with_columns(**change)
        assert store.publish(RECIPE, "00000", changed).footer.content != first.footer.content


def test_equal_rows_leave_the_file_alone(tmp_path: Path) -> None:
    store, rows = CaptionStore(tmp_path), rows_of({"a": "one", "b": "two"})
    path = store.publish(RECIPE, "00000", rows).path
    before = path.stat()
    again = store.publish(RECIPE, "00000", rows.reverse())
    assert not again.written
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.publish(RECIPE, "00000", rows_of({"a": "one"})).written


def test_an_empty_shard_can_be_published(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    plan = store.plan(index_of([]), RECIPE)
    published = store.publish(RECIPE, "00000", plan.kept)
    assert (published.footer.rows, published.footer.statuses) == (0, {})
    read = store.read(RECIPE, "00000")
    assert read is not None
    assert read.equals(schema.empty())


def test_recipes_and_styles_lie_side_by_side(tmp_path: Path) -> None:
    store, other = CaptionStore(tmp_path), make_recipe(prompt="other")
    store.publish(RECIPE, "00000", rows_of({"a": "one"}))
    store.publish(other, "00000", rows_of({"a": "two"}, other))
    texts = [store.read(recipe, "00000") for recipe in (RECIPE, other)]
    assert [frame["caption"][0] for frame in texts if frame is not None] == ["one", "two"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"style": pl.lit("short")}, "not of style"),
        ({"shard": pl.lit("other")}, "not of style"),
        ({"uid": pl.lit("u")}, "several rows"),
        ({"status": pl.lit("fine")}, "unknown status"),
        ({"row_key": pl.lit(None, pl.String)}, "row key"),
    ],
)
def test_rows_that_do_not_belong_are_refused(
    tmp_path: Path, change: dict[str, pl.Expr], reason: str
) -> None:
    rows = rows_of({"a": "one", "b": "two"}).with_columns(**change)
    with pytest.raises(ValueError, match=reason):
        CaptionStore(tmp_path).publish(RECIPE, "00000", rows)
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_shard_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="shard"):
        CaptionStore(tmp_path).path(RECIPE, "../00000")


def test_a_plan_of_two_shards_is_refused(tmp_path: Path) -> None:
    index = index_of([index_row("a"), index_row("b", shard="00001")])
    with pytest.raises(ValueError, match="one shard"):
        CaptionStore(tmp_path).plan(index, RECIPE)


@pytest.mark.parametrize("damage", [b"", b"PAR1 not parquet", None])
def test_a_damaged_file_is_named_and_can_be_written_again(
    tmp_path: Path, damage: bytes | None
) -> None:
    store, rows = CaptionStore(tmp_path), rows_of({"a": "one"})
    path = store.publish(RECIPE, "00000", rows).path
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(UserError, match="00000.parquet"):
        store.read(RECIPE, "00000")
    assert store.publish(RECIPE, "00000", rows).written
    assert store.read(RECIPE, "00000") is not None


def test_a_foreign_parquet_is_refused(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    path = store.path(RECIPE, "00000")
    path.parent.mkdir(parents=True)
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(UserError, match="not a caption file"):
        store.footer(RECIPE, "00000")


def test_another_recipe_under_the_same_twelve_digits_is_refused(tmp_path: Path) -> None:
    store, other = CaptionStore(tmp_path), make_recipe(prompt="other")
    path = store.publish(other, "00000", rows_of({"a": "one"}, other)).path
    target = store.path(RECIPE, "00000")
    target.parent.mkdir(parents=True)
    path.rename(target)
    with pytest.raises(UserError, match="another recipe"):
        store.read(RECIPE, "00000")


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path) -> None:
    store, rows = CaptionStore(tmp_path), rows_of({"a": "one"})
    path = store.publish(RECIPE, "00000", rows).path
    before = path.read_bytes()
    many = rows_of({f"{number}": f"caption {number}" for number in range(300)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 1000, limits[1]))
    try:
        with pytest.raises(UserError, match="00000.parquet"):
            store.publish(RECIPE, "00000", many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["00000.parquet"]


WRITER = """
import itertools, sys
from pathlib import Path
from recap_assets.captions.store import CaptionStore
from recap_assets_tests.captions.test_store import RECIPE, rows_of
store = CaptionStore(Path(sys.argv[1]))
sets = [rows_of({str(n): f"{word} {n}" for n in range(200)}) for word in ("one", "two")]
for rows in itertools.cycle(sets):
    store.publish(RECIPE, "00000", rows)
    print("published", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    store = CaptionStore(tmp_path)
    for delay in (0.0, 0.013):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"published\n"
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        read = store.read(RECIPE, "00000")
        assert read is not None
        assert read.height == 200
        assert len({caption.split()[0] for caption in read["caption"]}) == 1
