"""Caption rows on disk: one Parquet file per style, recipe and shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from recap_assets.captions import footer as footers
from recap_assets.captions import lookup, pending, retired, schema
from recap_assets.captions.footer import Footer
from recap_assets.captions.plan import Plan, Refresh, split
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key


@dataclass(frozen=True)
class Published:
    """What a shard's file holds after `CaptionStore.publish`.

    written: False where the file already held exactly these rows and was left alone.
    """

    path: Path
    footer: Footer
    written: bool


class CaptionStore:
    """The folder `captions/` below a store's root.

    Every file names its full recipe, content digest and counts in its footer, so that versions are
    compared without reading a row.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, recipe: Recipe, shard: str) -> Path:
        """Where a shard's rows of one recipe lie, written or not."""
        check_key("shard", shard)
        folder = self.root / "captions" / f"style={recipe.style}" / f"recipe={recipe.short}"
        return folder / f"{shard}.parquet"

    def read(self, recipe: Recipe, shard: str) -> pl.DataFrame | None:
        """The rows of one shard sorted by uid, or None where nothing was published yet.

        Raises:
            UserError: if the file is damaged or belongs to another recipe.
        """
        if self.footer(recipe, shard) is None:
            return None
        path = self.path(recipe, shard)
        try:
            return schema.conform(pl.read_parquet(path, hive_partitioning=False))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(path) from error

    def plan(self, shard_index: pl.DataFrame, recipe: Recipe, refresh: Refresh = "stale") -> Plan:
        """What captioning the shard of `shard_index` with `recipe` would keep and what it would do.

        Rows are reused from wherever the store has them: the shard's file, another shard's, those
        that left a shard, and the batches of a run that was killed.

        Raises:
            UserError: if the stored rows cannot be read or `refresh` is unknown.
            ValueError: if the index rows are of several shards.
        """
        shards = shard_index["shard"].unique().to_list()
        if len(shards) > 1:
            raise ValueError(f"the index rows of {len(shards)} shards; plan one shard at a time")
        stored = self.read(recipe, shards[0]) if shards else None
        elsewhere = partial(self._find, recipe, *shards)
        own = schema.empty() if stored is None else stored
        return split(shard_index, own, recipe, refresh, elsewhere)

    def _find(self, recipe: Recipe, shard: str, keys: Sequence[str]) -> pl.DataFrame:
        folders = (
            self.path(recipe, shard).parent,
            retired.folder(self.root, recipe),
            pending.folder(self.root, shard),
        )
        return pl.concat([lookup.find(folder, keys) for folder in folders])

    def publish(
        self,
        recipe: Recipe,
        shard: str,
        rows: pl.DataFrame,
        *,
        pictures: str = "",
        counted: str = "",
        computed: int = 0,
        seconds: float = 0.0,
    ) -> Published:
        """Make `rows` the rows of a shard: all of them or, on a failure, none.

        Rows that the shard loses are retired, not deleted. What the other arguments say of the rows
        goes into their `Footer`.

        Raises:
            UserError: if the disk refuses; the old file is then untouched.
            ValueError: if rows are of another style or shard, repeat a uid or have an unknown
            status.
        """
        rows = schema.conform(rows).sort("uid")
        _check(rows, recipe, shard)
        path = self.path(recipe, shard)
        footer = footers.of(rows, recipe, pictures, counted, computed, seconds)
        old = self._readable(recipe, shard)
        written = old is None or not old.equals(rows) or not self._says(recipe, shard, footer)
        if written:
            lost = schema.empty() if old is None else old.join(rows, on="row_key", how="anti")
            retired.add(self.root, recipe, shard, lost)
            atomic.write_parquet(path, rows, footer.metadata())
        return Published(path, footer, written)

    def footer(self, recipe: Recipe, shard: str) -> Footer | None:
        """What a shard's file says of itself, or None without a file.

        Raises:
            UserError: as `read`.
        """
        path = self.path(recipe, shard)
        if not path.exists():
            return None
        footer = footers.parse(atomic.read_parquet_metadata(path))
        if footer is None:
            raise _damaged(path)
        # Twelve digits name the folder; the footer holds all of them.
        if footer.recipe != recipe.digest:
            raise UserError(
                f"{path}: holds another recipe's rows; move the file away and run again"
            )
        return footer

    def _readable(self, recipe: Recipe, shard: str) -> pl.DataFrame | None:
        """The stored rows; a damaged file holds nothing."""
        try:
            return self.read(recipe, shard)
        except UserError:
            return None

    def _says(self, recipe: Recipe, shard: str, footer: Footer) -> bool:
        return footer.same_rows(self.footer(recipe, shard))


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path}: not a caption file or damaged; delete it and caption the shard again"
    )


def _check(rows: pl.DataFrame, recipe: Recipe, shard: str) -> None:
    strays = rows.filter((pl.col("style") != recipe.style) | (pl.col("shard") != shard))
    if strays.height:
        raise ValueError(f"{strays.height} rows are not of style {recipe.style!r}, shard {shard!r}")
    if rows["uid"].n_unique() != rows.height:
        raise ValueError(f"shard {shard!r} has several rows of one uid in style {recipe.style!r}")
    unknown = set(rows["status"]) - set(schema.STATUSES)
    if unknown or rows["row_key"].null_count():
        raise ValueError(
            f"rows with an unknown status {sorted(map(str, unknown))} or without a row key"
        )
