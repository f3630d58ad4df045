"""The index's columns are what other tools read: a change here breaks them."""

from __future__ import annotations

import polars as pl

from recap_assets.images.schema import INDEX


def test_the_columns_are_frozen() -> None:
    text, number, pixels = pl.String(), pl.Int64(), pl.Int32()
    assert list(INDEX.items()) == [
        ("uid", text),
        ("shard", text),
        ("key", text),
        ("image_sha256", text),
        ("ext", text),
        ("offset", number),
        ("size", number),
        ("width", pixels),
        ("height", pixels),
        ("alt", text),
        ("url", text),
        ("extra", text),
        ("status", text),
        ("error", text),
        ("phash", number),
    ]
