"""Batches of a shard that is being captioned: what a run that is killed leaves to the next one."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import polars as pl

from recap_assets.experiment import atomic
from recap_assets.experiment.keys import check_key


def folder(root: Path, shard: str) -> Path:
    """Where the batches of a shard lie, rows of all its styles together."""
    return root / "pending" / check_key("shard", shard)


def add(root: Path, shard: str, rows: pl.DataFrame) -> None:
    """Keep the rows of one batch until the shard is published.

    Raises:
        UserError: if the disk refuses.
    """
    atomic.write_parquet(folder(root, shard) / f"{uuid.uuid4().hex}.parquet", rows)


def clear(root: Path, shard: str) -> None:
    """Forget the batches of a shard, for its rows are published."""
    shutil.rmtree(folder(root, shard), ignore_errors=True)
