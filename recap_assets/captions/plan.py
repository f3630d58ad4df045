"""Which rows of a shard stay and which must be captioned, decided row by row from content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import polars as pl

from recap_assets.captions import schema
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment.errors import UserError

Refresh = Literal["stale", "errors", "all"]
#: Stored rows by row key, from wherever they lie.
Find = Callable[[Sequence[str]], pl.DataFrame]


@dataclass(frozen=True)
class Plan:
    """The rows of one shard and recipe, split by what they cost.

    kept: caption rows (`schema.CAPTIONS`) that stand; among them, under `stale`, those of status
    `error`.
    todo: index rows whose caption is missing, of another picture, or to be done again.
    found: how many of the kept rows were not in the shard's own file.
    """

    kept: pl.DataFrame
    todo: pl.DataFrame
    found: int = 0

    @property
    def errors(self) -> int:
        """How many kept rows have the status `error`; `refresh="errors"` would do them again."""
        return int((self.kept["status"] == "error").sum())


def nowhere(keys: Sequence[str]) -> pl.DataFrame:
    """A `Find` that finds nothing."""
    return schema.empty()


def split(
    index: pl.DataFrame,
    stored: pl.DataFrame,
    recipe: Recipe,
    refresh: Refresh,
    elsewhere: Find = nowhere,
) -> Plan:
    """Split the usable pictures of a shard's `index` by whether `stored` rows caption them.

    `stale` does what is missing or changed, `errors` that and the rows of status `error`, `all`
    everything. What the shard's own rows lack is looked for `elsewhere`, for a picture may have
    come from another tar; alt-text is not, as copying it costs nothing. A kept row takes the
    picture's shard, key and address from the index; everything else in it, time and run included,
    stays as it was.

    Raises:
        UserError: if `refresh` is none of the three.
    """
    wanted = _wanted(index, recipe)
    kept = _named(stored.filter(_stands(refresh)), wanted)
    todo = _without(wanted, kept)
    look = todo.height and refresh != "all" and not recipe.copies_alt
    others = elsewhere(todo["row_key"].to_list()) if look else schema.empty()
    found = _named(_latest(others.filter(_stands(refresh))), todo)
    together = pl.concat([kept, found]).sort("uid")
    return Plan(together, _without(todo, found).drop("row_key"), found.height)


def _named(rows: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Those of the caption `rows` that are wanted, with shard, key and address of their picture."""
    names = wanted.select("uid", "row_key", "shard", pl.col("key").alias("source_key"), "url")
    known = rows.drop("shard", "source_key", "url")
    return known.join(names, on=["uid", "row_key"], how="inner").select(rows.columns)


def _without(wanted: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    return wanted.join(rows, on="uid", how="anti", maintain_order="left")


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a key: where several shards hold the picture, good ones first, then the newest."""
    failed = pl.col("status") == "error"
    order = rows.sort(failed, pl.col("created_at"), descending=[False, True], maintain_order=True)
    return order.unique("row_key", keep="first", maintain_order=True)


def _wanted(index: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    """The usable pictures, one row each, with the row key their caption must have."""
    usable = index.filter(pl.col("status") == "ok")
    usable = usable.unique("uid", keep="first", maintain_order=True)
    pictures = usable.select("image_sha256", pl.col("alt").fill_null("")).iter_rows()
    keys = [recipe.row_key(sha, alt) for sha, alt in pictures]
    return usable.with_columns(pl.Series("row_key", keys, pl.String))


def check_refresh(name: str) -> Refresh:
    """`name` if it is one of the three.

    Raises:
        UserError: otherwise, with their names.
    """
    for known in get_args(Refresh):
        if name == known:
            return known
    raise UserError(f"refresh {name!r}: unknown; choose one of {', '.join(get_args(Refresh))}")


def _stands(refresh: Refresh) -> pl.Expr:
    check_refresh(refresh)
    if refresh == "errors":
        return pl.col("status") != "error"
    return pl.lit(refresh == "stale")
