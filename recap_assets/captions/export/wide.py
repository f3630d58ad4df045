"""Format `wide`: one Parquet with a row per picture and a column per style."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from recap_assets.captions.export.columns import strings, text_schema, texts
from recap_assets.captions.export.selection import EXPORTED
from recap_assets.captions.export.shard import Shard

FILE = "captions.parquet"
_COLUMNS = ("uid", "shard", "key", "url", "image_sha256")
_SLICE = 1024


def write(folder: Path, shards: Iterable[Shard], styles: list[str], *, chosen: bool) -> None:
    """Write captions.parquet; with `chosen` it has a column `caption` too."""
    names = [*_COLUMNS, *(["caption"] if chosen else [])]
    with pq.ParquetWriter(
        folder / FILE, text_schema([*names, *styles]), compression="zstd"
    ) as writer:
        for shard in shards:
            exported = shard.where(pl.col("outcome") == EXPORTED)
            for part in exported.slices(_SLICE):
                frame = pl.concat([part.rows.select(names), texts(part)], how="horizontal")
                writer.write_table(strings(frame))
