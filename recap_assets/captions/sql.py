"""SQL for rows in Parquet files that may not exist yet."""

from __future__ import annotations

from collections.abc import Mapping
from glob import has_magic
from pathlib import Path

import polars as pl

_TYPES: dict[pl.DataType, str] = {
    pl.String(): "VARCHAR",
    pl.Int32(): "INTEGER",
    pl.Int64(): "BIGINT",
    pl.Float64(): "DOUBLE",
    pl.Datetime("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}
# Published names start with a letter or digit, half-written ones with a dot, which * matches.
NAME = "[A-Za-z0-9]*"


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def rows(
    root: Path,
    pattern: str,
    schema: Mapping[str, pl.DataType],
    partitions: tuple[str, ...] = (),
    *,
    grown: bool = False,
) -> str:
    """A SELECT of `schema`'s columns over the files that `pattern` (a glob below `root`) matches.

    `partitions` names folders of the form name=value whose values are text columns, the last ones
    where `schema` lacks them. `grown` says that old files lack columns which later ones have. Where
    no file matches, there are no rows; with DuckDB 2, files that come later are found.
    """
    columns = dict(schema) | dict.fromkeys(partitions, pl.String())
    types = ", ".join(f"{literal(name)}: VARCHAR" for name in partitions)
    options = f", hive_partitioning = {'true' if partitions else 'false'}"
    options += f", hive_types = {{{types}}}" if partitions else ""
    options += ", union_by_name = true" if grown else ""
    # Older readers of the database know no such option, so it stands only where it is needed.
    options += "" if any(root.glob(pattern)) else ", allow_empty = true"
    path = literal(f"{escape(root.resolve().as_posix())}/{pattern}")
    return (
        f"SELECT {', '.join(_select(name) for name in columns)} FROM ({nothing(columns)} "
        f"UNION ALL BY NAME SELECT * FROM read_parquet({path}{options}))"
    )


def nothing(schema: Mapping[str, pl.DataType]) -> str:
    """A SELECT of no rows with `schema`'s columns."""
    columns = ", ".join(
        f"NULL::{_TYPES[dtype]} AS {_select(name)}" for name, dtype in schema.items()
    )
    return f"SELECT {columns} WHERE false"


def _select(name: str) -> str:
    return f'"{name}"'


def escape(path: str) -> str:
    """A path whose glob signs mean themselves."""
    return "".join(f"[{sign}]" if has_magic(sign) else sign for sign in path)
