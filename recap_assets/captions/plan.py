"""Which rows of a shard stay and which must be captioned, decided row by row from content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

from recap_assets.captions.recipe import Recipe
from recap_assets.experiment.errors import UserError

Refresh = Literal["stale", "errors", "all"]


@dataclass(frozen=True)
class Plan:
    """The rows of one shard and recipe, split by what they cost.

    kept: caption rows (`schema.CAPTIONS`) that stand; among them, under `stale`, those of status
    `error`.
    todo: index rows whose caption is missing, of another picture, or to be done again.
    """

    kept: pl.DataFrame
    todo: pl.DataFrame

    @property
    def errors(self) -> int:
        """How many kept rows have the status `error`; `refresh="errors"` would do them again."""
        return int((self.kept["status"] == "error").sum())


def split(index: pl.DataFrame, stored: pl.DataFrame, recipe: Recipe, refresh: Refresh) -> Plan:
    """Split the usable pictures of a shard's `index` by whether `stored` rows caption them.

    `stale` does what is missing or changed, `errors` that and the rows of status `error`, `all`
    everything. A kept row takes the picture's key and address from the index, for a picture may
    change its name without changing its caption; everything else in it, time and run included,
    stays as it was.

    Raises:
        UserError: if `refresh` is none of the three.
    """
    wanted = _wanted(index, recipe)
    good = stored.filter(_stands(refresh))
    names = wanted.select("uid", "row_key", "shard", pl.col("key").alias("source_key"), "url")
    kept = good.drop("shard", "source_key", "url").join(names, on=["uid", "row_key"], how="inner")
    todo = wanted.join(kept, on="uid", how="anti", maintain_order="left").drop("row_key")
    return Plan(kept.select(stored.columns).sort("uid"), todo)


def _wanted(index: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """The usable pictures, one row each, with the row key their caption must have."""
    usable = index.filter(pl.col("status") == "ok")
    usable = usable.unique("uid", keep="first", maintain_order=True)
    pictures = usable.select("image_sha256", pl.col("alt").fill_null("")).iter_rows()
    keys = [recipe.row_key(sha, alt) for sha, alt in pictures]
    return usable.with_columns(pl.Series("row_key", keys, pl.String))


def _stands(refresh: Refresh) -> pl.Expr:
    if refresh not in get_args(Refresh):
        known = ", ".join(get_args(Refresh))
        raise UserError(f"refresh {refresh!r}: unknown; choose one of {known}")
    if refresh == "errors":
        return pl.col("status") != "error"
    return pl.lit(refresh == "stale")
