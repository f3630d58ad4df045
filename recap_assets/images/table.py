"""A table of URL and text beside downloaded tars (img2dataset, LAION, DataComp): fills what lacks.

It is found by key, uid, SHA-256 or URL, in this order, as far as table and samples have them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from recap_assets.experiment.errors import UserError
from recap_assets.images.locations import File, Stamp, stamp_of
from recap_assets.images.parquet import batches, opened

CAPTIONS = ("caption", "text", "alt_text", "alttext", "alt")
ADDRESSES = ("url", "image_url", "img_url")
_IDS = ("key", "uid", "sha256", "url")
_ROWS = 1 << 16


@dataclass(frozen=True)
class Table:
    """Parquet files and the columns to take; None stands for those with a usual name."""

    files: tuple[File, ...]
    caption: str | None = None
    url: str | None = None

    def beside(self, shard: str) -> Table:
        """Only the file named as `shard` where there is one, as img2dataset writes it."""
        own = tuple(file for file in self.files if file.stem == shard)
        return Table(own, self.caption, self.url) if own else self

    def stamps(self) -> list[Stamp]:
        """The present state of every file."""
        return [stamp_of(file) for file in self.files]


def find(names: list[str], wanted: str | None, usual: tuple[str, ...]) -> str | None:
    """The column called `wanted`, or else by a usual name, whatever the case."""
    known = {name.lower(): name for name in reversed(names)}
    asked = (wanted.lower(),) if wanted else usual
    return next((known[name] for name in asked if name in known), None)


def fill(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Index rows with alt-text and url from the table where they lack them, its record in `extra`.

    The first row that names a picture counts. Of the table no more is held than the rows that match
    and one batch.

    Raises:
        UserError: if a file cannot be read, or has no column to find pictures by.
    """
    keyed = _keyed(frame)
    found: dict[tuple[str, str], dict[str, object]] = {}
    for file in table.files:
        for row in _matching(file, keyed):
            for name in _IDS:
                if row.get(name):
                    found.setdefault((name, str(row[name])), row["record"])  # type: ignore[arg-type]
    rows = [
        _filled(row, _first(ids, found), table)
        for row, ids in zip(frame.iter_rows(named=True), keyed.iter_rows(named=True), strict=True)
    ]
    return pl.DataFrame(rows, schema=frame.schema)


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    """By what a row may be found: one column a way, null where it has none."""

    def told(name: str) -> pl.Expr:
        return pl.col("extra").map_elements(
            lambda text: _text(json.loads(text).get(name)), return_dtype=pl.String
        )

    return frame.select(
        key=pl.col("key").str.split("/").list.last(),
        uid=told("uid"),
        sha256=told("sha256"),
        digest=pl.when(pl.col("image_sha256") != "").then("image_sha256"),
        url=pl.coalesce("url", told("url")),
    )


def _matching(file: File, keyed: pl.DataFrame) -> Iterator[dict[str, object]]:
    """The rows of one file that name one of the pictures: its ids, and `record` with the rest."""
    with opened(file) as parquet:
        names = parquet.schema_arrow.names
        ids = {name: column for name in _IDS if (column := find(names, name, ()))}
        if not ids:
            raise UserError(
                f"{file}: has no column {', '.join(_IDS)} to find pictures by "
                f"(only {', '.join(names[:8])}); leave it out of dataset.table"
            )
        wanted = {name: _wanted(keyed, name) for name in ids}
        for batch in batches(file, parquet, names, _ROWS):
            rows = pl.DataFrame(pl.from_arrow(batch))
            hits = [
                rows[column].cast(pl.String, strict=False).is_in(wanted[name])
                for name, column in ids.items()
            ]
            for record in rows.filter(pl.any_horizontal(hits)).iter_rows(named=True):
                yield {name: record[column] for name, column in ids.items()} | {"record": record}


def _wanted(keyed: pl.DataFrame, name: str) -> list[str]:
    columns = ("sha256", "digest") if name == "sha256" else (name,)
    return pl.concat([keyed[column].rename(name) for column in columns]).drop_nulls().to_list()


def _first(
    ids: dict[str, str | None], found: dict[tuple[str, str], dict[str, object]]
) -> dict[str, object] | None:
    ways = [("key", "key"), ("uid", "uid"), ("sha256", "sha256"), ("sha256", "digest")]
    for name, column in [*ways, ("url", "url")]:
        value = ids[column]
        if value and (name, value) in found:
            return found[name, value]
    return None


def _filled(
    row: dict[str, object], record: dict[str, object] | None, table: Table
) -> dict[str, object]:
    if record is None:
        return row
    names = list(record)
    caption, url = find(names, table.caption, CAPTIONS), find(names, table.url, ADDRESSES)
    told = {name: value for name, value in record.items() if not isinstance(value, bytes)}
    return row | {
        "alt": row["alt"] or (_text(record[caption]) if caption else None) or "",
        "url": row["url"] or (_text(record[url]) if url else None),
        "extra": json.dumps(told | json.loads(str(row["extra"])), default=str, ensure_ascii=False),
    }


def _text(value: object) -> str | None:
    return str(value).strip() or None if isinstance(value, str | int) else None
