from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from recap_assets.captions import tables
from recap_assets.captions.generated import Generated
from recap_assets.captions.recipe import ALT, Recipe
from recap_assets.captions.rows import build, build_alt
from recap_assets.captions.schema import CAPTIONS
from recap_assets.captions.store import CaptionStore
from recap_assets.captions.views import connect, write_database
from recap_assets.experiment import atomic
from recap_assets.images.schema import INDEX
from recap_assets_tests.captions.making import index_of, index_row, make_recipe, make_stamp

LONG, OLD = make_recipe(), make_recipe(prompt="an older prompt:")
CURRENT = {"long": LONG.digest, "alt": ALT.short}
VIEWS = [
    "images",
    "captions",
    "captions_history",
    "caption_stats",
    "quarantine",
    "checkpoints",
    "samples",
    "metrics",
]
ODD = 'o\'d "quoted" [x] *star{a,b}? % ünïcode'


def publish(root: Path, recipe: Recipe, shard: str, texts: dict[str, str]) -> None:
    index = index_of([index_row(content, shard=shard) for content in texts])
    made = [Generated(text) for text in texts.values()]
    CaptionStore(root).publish(recipe, shard, build(index, made, recipe, make_stamp("r")))


def fill(root: Path) -> None:
    """Two shards indexed, a third one gone; captions of the current and of an older recipe."""
    for shard in ("00000", "00001"):
        index = index_of(
            [
                index_row(f"a{shard}", shard=shard),
                index_row(f"b{shard}", shard=shard, alt=""),
                index_row("bad", shard=shard, status="error", error="cut off"),
            ]
        )
        atomic.write_parquet(root / "images" / f"{shard}.parquet", index)
        usable = index.filter(pl.col("status") == "ok")
        CaptionStore(root).publish(ALT, shard, build_alt(usable, make_stamp("r")))
        publish(root, LONG, shard, {f"a{shard}": "a red cat", f"b{shard}": f"dog {shard}"})
        publish(root, OLD, shard, {f"a{shard}": "old"})
    publish(root, LONG, "gone", {"c": "a red cat"})
    for arm in ("alttext-both-s0", "long-both-s0"):
        row = {name: None for name in tables.CHECKPOINTS} | {"arm": arm, "steps": 7}
        frame = pl.DataFrame([row], schema=tables.CHECKPOINTS)
        atomic.write_parquet(root / "checkpoints" / arm / "0123456789ab" / "row.parquet", frame)
        row = {name: None for name in tables.SAMPLES} | {"arm": arm, "prompt": "p"}
        frame = pl.DataFrame([row], schema=tables.SAMPLES)
        atomic.write_parquet(root / "samples" / arm / "0123456789ab" / "samples.parquet", frame)
    row = {name: None for name in tables.METRICS} | {"arm": "base", "metric": "fid", "value": 1.5}
    frame = pl.DataFrame([row], schema=tables.METRICS)
    atomic.write_parquet(root / "tables" / "metrics.parquet", frame)


def ask(root: Path, query: str) -> list[Any]:
    with connect(root, CURRENT) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(params=["store", ODD])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if request.param == ODD and sys.platform == "win32":
        pytest.skip("Windows has no such folder names")
    return tmp_path / str(request.param)


def test_every_view_answers_with_nothing_before_anything_exists(root: Path) -> None:
    with connect(root, CURRENT) as connection:
        for view in VIEWS:
            assert connection.execute(f"SELECT * FROM {view}").fetchall() == []


def test_columns_and_types_are_the_same_with_and_without_files(tmp_path: Path) -> None:
    def types() -> dict[str, list[Any]]:
        with connect(tmp_path, CURRENT) as connection:
            answers = {view: connection.execute(f"DESCRIBE {view}").fetchall() for view in VIEWS}
        return {view: [row[:2] for row in rows] for view, rows in answers.items()}

    before = types()
    fill(tmp_path)
    assert types() == before
    names = {view: [name for name, _ in columns] for view, columns in before.items()}
    assert names["images"] == list(INDEX)
    assert names["captions"] == names["captions_history"] == [*CAPTIONS, "recipe"]
    assert names["checkpoints"] == list(tables.CHECKPOINTS)
    assert names["samples"] == list(tables.SAMPLES)
    assert names["metrics"] == list(tables.METRICS)


def test_rows_by_hand(root: Path) -> None:
    fill(root)
    assert ask(root, "SELECT count(*) FROM images") == [(6,)]
    found = ask(root, "SELECT style, shard, caption FROM captions ORDER BY ALL")
    assert found == [
        ("alt", "00000", ""),
        ("alt", "00000", "alt a00000"),
        ("alt", "00001", ""),
        ("alt", "00001", "alt a00001"),
        ("long", "00000", "a red cat"),
        ("long", "00000", "dog 00000"),
        ("long", "00001", "a red cat"),
        ("long", "00001", "dog 00001"),
    ]
    history = ask(root, "SELECT recipe, count(*) FROM captions_history GROUP BY ALL ORDER BY ALL")
    assert history == sorted([(ALT.short, 4), (LONG.short, 5), (OLD.short, 2)])
    assert ask(root, "SELECT arm, steps FROM checkpoints ORDER BY arm") == [
        ("alttext-both-s0", 7),
        ("long-both-s0", 7),
    ]
    assert ask(root, "SELECT count(*) FROM samples WHERE prompt = 'p'") == [(2,)]
    assert ask(root, "SELECT arm, metric, value, ci_low FROM metrics") == [
        ("base", "fid", 1.5, None)
    ]


def test_the_quarantine_names_bad_pictures_and_bad_captions(tmp_path: Path) -> None:
    fill(tmp_path)
    found = ask(
        tmp_path,
        "SELECT kind, shard, source_key, style, reason FROM quarantine ORDER BY ALL",
    )
    assert found == [
        ("caption", "00000", "key-b00000", "alt", "empty"),
        ("caption", "00001", "key-b00001", "alt", "empty"),
        ("image", "00000", "key-bad", None, "cut off"),
        ("image", "00001", "key-bad", None, "cut off"),
    ]


def test_caption_stats_by_hand(tmp_path: Path) -> None:
    fill(tmp_path)
    with connect(tmp_path, CURRENT) as connection:
        alt, long = connection.sql("SELECT * FROM caption_stats").pl().iter_rows(named=True)
    assert (alt["style"], alt["n"], alt["ok_share"]) == ("alt", 4, 0.5)
    assert (long["style"], long["n"], long["ok_share"]) == ("long", 4, 1.0)
    assert (long["distinct_captions"], long["duplicates"]) == (3, 1)
    assert long["words_mean"] == statistics.mean([3, 3, 2, 2])
    assert long["words_p50"] == 2.5
    assert long["tokens_p50"] == 4.5
    assert long["chars_p95"] == 9
    assert alt["chars_mean"] == 10


def test_a_current_recipe_without_rows_and_no_current_recipe(tmp_path: Path) -> None:
    fill(tmp_path)
    for current in ({}, {"long": "f" * 64}, {"o'dd": "x' OR true --"}):
        with connect(tmp_path, current) as connection:
            assert connection.execute("SELECT count(*) FROM captions").fetchall() == [(0,)]


def test_recipes_of_digits_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "captions" / "style=7" / "recipe=000000000012" / "00000.parquet"
    row = {name: None for name in CAPTIONS} | {"style": "7"}
    atomic.write_parquet(path, pl.DataFrame([row], schema=CAPTIONS))
    found = ask(tmp_path, "SELECT style, recipe FROM captions_history")
    assert found == [("7", "000000000012")]


def test_half_written_files_are_not_seen(tmp_path: Path) -> None:
    fill(tmp_path)
    for path in (
        "images/.tmp-1.parquet",
        f"captions/style=long/recipe={LONG.short}/.tmp-1.parquet",
        "checkpoints/long-both-s0/.tmp-1/row.parquet",
    ):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"PAR1 half")
    parts = [f"(SELECT count(*) FROM {view})" for view in VIEWS]
    assert ask(tmp_path, f"SELECT {', '.join(parts)}") == [(6, 8, 11, 2, 4, 2, 2, 1)]


READER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for view in sys.argv[2:]:
        print(connection.execute(f"SELECT count(*) FROM {view}").fetchone()[0])
"""


def counts_elsewhere(database: Path, folder: Path) -> list[int]:
    """Row counts of all views, asked by a process that knows only DuckDB, in another folder."""
    command = [sys.executable, "-I", "-c", READER, str(database), *VIEWS]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def test_the_database_answers_other_programs_in_other_folders(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    database = write_database(root, CURRENT)
    assert database == root / "recap.duckdb"
    assert counts_elsewhere(database, elsewhere) == [0] * 8
    fill(root)
    # What was written into the file before anything existed finds what came since.
    assert counts_elsewhere(database, elsewhere) == [6, 8, 11, 2, 4, 2, 2, 1]
    write_database(root, CURRENT)
    assert counts_elsewhere(database, elsewhere) == [6, 8, 11, 2, 4, 2, 2, 1]


def test_a_relative_root_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "store")
    monkeypatch.chdir(tmp_path)
    write_database(Path("store"), CURRENT)
    monkeypatch.chdir(os.sep)
    with duckdb.connect(tmp_path / "store" / "recap.duckdb", read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM captions").fetchone() == (8,)


def test_what_a_connection_does_stays_with_it(tmp_path: Path) -> None:
    fill(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with connect(tmp_path, CURRENT) as connection:
        connection.execute("DROP VIEW captions; CREATE TABLE captions AS SELECT 1")
    assert ask(tmp_path, "SELECT count(*) FROM captions") == [(8,)]
    assert sorted(tmp_path.rglob("*")) == before
