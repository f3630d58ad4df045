"""Captions of pictures that left their shard: kept until somebody throws them away.

A picture that comes back, or turns up in another tar, then costs nothing. They lie apart from the
current rows, so that queries over `captions/` never count them.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recap_assets.captions import lookup
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment import atomic
from recap_assets.experiment.keys import check_key


def folder(root: Path, recipe: Recipe) -> Path:
    """Where the retired rows of a recipe lie, a file a shard."""
    return root / "retired" / f"style={recipe.style}" / f"recipe={recipe.short}"


def add(root: Path, recipe: Recipe, shard: str, rows: pl.DataFrame) -> None:
    """Keep rows that a shard is about to lose, beside those it lost before.

    Raises:
        UserError: if the disk refuses.
    """
    if not rows.height:
        return
    path = folder(root, recipe) / f"{check_key('shard', shard)}.parquet"
    stored = lookup.rows_of(path)
    frames = [rows] if stored is None else [rows, stored]
    together = pl.concat(frames).unique("row_key", keep="first", maintain_order=True)
    atomic.write_parquet(path, together.sort("row_key"), {"recipe": recipe.digest})
