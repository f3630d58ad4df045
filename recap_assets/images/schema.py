"""The columns of a shard's index, one row per sample of its tar."""

from __future__ import annotations

import polars as pl

# uid: the first 32 hex digits of image_sha256; both are "" where no picture bytes could be read.
# image_sha256: SHA-256 of the encoded picture as it lies in the tar.
# offset, size: bytes of the picture inside the tar; 0 where there is none.
# width, height: pixels of the picture as decoded, after the EXIF orientation.
# alt: the source's own text, "" if none. extra: the sample's json member as text, "{}" if none.
# status: ok, duplicate (the shard had these bytes before) or error.
# error: the reason of the status, and notes on what else is amiss, which an ok row may have too.
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
    }
)
