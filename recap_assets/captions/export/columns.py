"""The text columns of exported tables: a row per picture, a column per style."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from recap_assets.captions.export.shard import Shard
from recap_assets.experiment.errors import UserError

#: Columns that a style cannot be named like.
TAKEN = frozenset(
    ("uid", "shard", "key", "url", "caption", "status", "error_message", "width", "height")
    + ("sha256", "image_sha256", "image")
)


def check_styles(styles: list[str]) -> None:
    """Refuse styles whose column would be taken for another.

    Raises:
        UserError: if there is one.
    """
    for style in styles:
        if style in TAKEN:
            raise UserError(
                f"style {style!r}: a table of this format has such a column already; leave it out "
                "with --styles or rename it in recap.yaml"
            )


def texts(shard: Shard) -> pl.DataFrame:
    """The good captions, a column per style, null where a picture has none."""
    return pl.DataFrame([shard.good(style) for style in shard.captions])


def strings(frame: pl.DataFrame) -> pa.Table:
    """A frame of texts with the string type that every reader knows."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(pa.schema([(name, pa.string()) for name in table.column_names]))


def text_schema(names: list[str], metadata: Mapping[str, str] | None = None) -> pa.Schema:
    """A schema of text columns."""
    return pa.schema([(name, pa.string()) for name in names], dict(metadata or {}))
