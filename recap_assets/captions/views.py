"""SQL views over the store's Parquet files, in memory or as a small file for any DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import duckdb

from recap_assets.captions import sql
from recap_assets.captions.schema import CAPTIONS
from recap_assets.captions.tables import CHECKPOINTS, METRICS, SAMPLES
from recap_assets.experiment import atomic
from recap_assets.experiment.fingerprint import short
from recap_assets.images.schema import INDEX

DATABASE = "recap.duckdb"

_FILE = f"{sql.NAME}.parquet"
_HISTORY = f"captions/style={sql.NAME}/recipe={sql.NAME}/{_FILE}"
_PAIR = f"{sql.NAME}/{sql.NAME}"

_QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}
_LENGTHS = {"chars": "n_chars", "words": "n_words", "tokens": "n_tokens_clip"}


def _stats() -> str:
    """The query of `caption_stats`: counts, exact lengths and repeats of the good captions.

    One list of quantiles sorts a column once. Texts are told apart by their MD5 of 128 bits, which
    takes a third of the memory that the texts themselves take.
    """
    wanted, lists = [], []
    for unit, column in _LENGTHS.items():
        lists.append(f"avg({column}) FILTER (status = 'ok') AS {unit}_mean")
        shares = f"{list(_QUANTILES.values())}"
        lists.append(f"quantile_cont({column}, {shares}) FILTER (status = 'ok') AS {unit}")
        places = enumerate(_QUANTILES, start=1)
        wanted += [f"{unit}_mean", *(f"{unit}[{n}] AS {unit}_{name}" for n, name in places)]
    return f"""
SELECT style, n, ok / n AS ok_share, {", ".join(wanted)}, distinct_captions,
    ok - distinct_captions AS duplicates
FROM (
    SELECT style, count(*) AS n, count(*) FILTER (status = 'ok') AS ok, {", ".join(lists)},
        count(DISTINCT md5_number(caption)) FILTER (status = 'ok') AS distinct_captions
    FROM captions GROUP BY style
) ORDER BY style
"""


_QUARANTINE = """
SELECT 'image' AS kind, shard, key AS source_key, uid, NULL::VARCHAR AS style, status,
    coalesce(error, status) AS reason, NULL::VARCHAR AS caption
FROM images WHERE status = 'error'
UNION ALL
SELECT 'caption', shard, source_key, uid, style, status, coalesce(error, status), caption
FROM captions WHERE status <> 'ok'
"""


def connect(root: Path, current: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """A connection in memory with the views over the store at `root`, for this process.

    Nothing that it creates or drops reaches the store. `current` maps each style to the digest,
    short or whole, of the recipe whose rows the view `captions` shows.
    """
    connection = duckdb.connect()
    _create(connection, root, current)
    return connection


def write_database(root: Path, current: Mapping[str, str]) -> Path:
    """Write the views of `connect` to `root`/recap.duckdb, for any DuckDB started in any folder.

    The file holds absolute paths and no rows: it shows new files by itself and must be written
    again when `current` changes or the store moves. A reader older than DuckDB 2 sees the views of
    which there was a file when the database was written.

    Raises:
        UserError: if the disk refuses.
    """
    target = root / DATABASE
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / DATABASE
        with duckdb.connect() as connection:
            # The oldest storage format, so that other versions can read it.
            connection.execute(
                f"ATTACH {sql.literal(str(file))} AS store (STORAGE_VERSION 'v1.0.0')"
            )
            connection.execute("USE store")
            _create(connection, root, current)
            connection.execute("USE memory")
            connection.execute("DETACH store")
        atomic.write_bytes(target, file.read_bytes())
    return target


def _create(connection: duckdb.DuckDBPyConnection, root: Path, current: Mapping[str, str]) -> None:
    for name, query in _views(root, current).items():
        connection.execute(f"CREATE VIEW {name} AS {query}")


def _views(root: Path, current: Mapping[str, str]) -> dict[str, str]:
    """The query of each view, in an order in which they can be created."""
    return {
        "images": sql.rows(root, f"images/{_FILE}", INDEX),
        "captions_history": sql.rows(root, _HISTORY, CAPTIONS, ("style", "recipe")),
        "captions": _current(current),
        "caption_stats": _stats(),
        "quarantine": _QUARANTINE,
        "checkpoints": sql.rows(root, f"checkpoints/{_PAIR}/row.parquet", CHECKPOINTS),
        "samples": sql.rows(root, f"samples/{_PAIR}/samples.parquet", SAMPLES, grown=True),
        "metrics": sql.rows(root, "tables/metrics.parquet", METRICS),
    }


def _current(current: Mapping[str, str]) -> str:
    """The rows of the current recipes, of the shards that the data set still has."""
    chosen = [
        f"(style = {sql.literal(style)} AND recipe = {sql.literal(short(digest))})"
        for style, digest in sorted(current.items())
    ]
    return (
        f"SELECT * FROM captions_history WHERE ({' OR '.join(chosen) or 'false'}) "
        f"AND shard IN (SELECT shard FROM images)"
    )
