"""The columns of a caption row and the values its status may take."""

from __future__ import annotations

from typing import Literal, get_args

import polars as pl

Status = Literal["ok", "truncated", "empty", "refused", "looped", "error"]
STATUSES: tuple[Status, ...] = get_args(Status)

CAPTIONS = pl.Schema(
    {
        "uid": pl.String(),
        "shard": pl.String(),
        "source_key": pl.String(),
        "url": pl.String(),
        "image_sha256": pl.String(),
        "style": pl.String(),
        "caption": pl.String(),
        "status": pl.String(),
        "error": pl.String(),
        "model_id": pl.String(),
        "model_revision": pl.String(),
        "adapter_sha": pl.String(),
        "prompt_id": pl.String(),
        "prompt_sha": pl.String(),
        "sampling": pl.String(),
        "seed": pl.Int64(),
        "code_version": pl.String(),
        "row_key": pl.String(),
        "n_chars": pl.Int32(),
        "n_words": pl.Int32(),
        "n_tokens_clip": pl.Int32(),
        "n_tokens_t5": pl.Int32(),
        "created_at": pl.Datetime("us", "UTC"),
        "run_id": pl.String(),
    }
)


def empty() -> pl.DataFrame:
    """A caption frame without rows."""
    return CAPTIONS.to_frame()


def conform(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with exactly the columns of `CAPTIONS`, in order and type.

    Raises:
        polars.exceptions.PolarsError: if a column is missing or a value does not fit its type.
    """
    return frame.select(pl.col(name).cast(dtype) for name, dtype in CAPTIONS.items())
