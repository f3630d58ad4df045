"""The columns of a shard's index, one row per sample."""

from __future__ import annotations

import polars as pl

# uid: the first 32 hex digits of image_sha256; both are "" where no picture bytes could be read.
# image_sha256: SHA-256 of the encoded picture as it lies in the source.
# key: the sample's name in its tar, its path below a folder, its row in a Parquet file.
# offset, size: bytes of the picture inside the tar; 0 where there is none. In a Parquet file offset
#     is the row, for a file of its own 0.
# width, height: pixels of the picture as decoded, after the EXIF orientation.
# alt: the source's own text, "" if none.
# extra: the sample's json member, or its record in a table, as text of JSON, "{}" if none.
# status: ok, duplicate (the shard had these bytes before) or error.
# error: the reason of the status, and notes on what else is amiss, which an ok row may have too.
# phash: difference hash of the picture, 64 bits, to tell near-duplicates; null unless asked for.
INDEX = pl.Schema(
    {
        "uid": pl.String,
        "shard": pl.String,
        "key": pl.String,
        "image_sha256": pl.String,
        "ext": pl.String,
        "offset": pl.Int64,
        "size": pl.Int64,
        "width": pl.Int32,
        "height": pl.Int32,
        "alt": pl.String,
        "url": pl.String,
        "extra": pl.String,
        "status": pl.String,
        "error": pl.String,
        "phash": pl.Int64,
    }
)
