"""The digest of a set of rows: the same rows give the same digest in any order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import polars as pl


def content_digest(frame: pl.DataFrame, columns: Sequence[str]) -> str:
    """64 hex digits of SHA-256 over `columns` of the sorted rows, one JSON array a line.

    JSON quotes every value, so no two different sets of rows can spell the same bytes; line by line
    because a manifest may hold millions of rows.
    """
    total = hashlib.sha256()
    for row in frame.select(columns).sort(columns).iter_rows():
        total.update(json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n")
    return total.hexdigest()
