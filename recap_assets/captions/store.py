"""Caption rows on disk: one Parquet file per style, recipe and shard."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recap_assets.captions import schema
from recap_assets.captions.content import content_digest
from recap_assets.captions.plan import Plan, Refresh, split
from recap_assets.captions.recipe import Recipe
from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.keys import check_key

CONTENT = ("uid", "caption", "status")


@dataclass(frozen=True)
class Published:
    """What a shard's file holds after `CaptionStore.publish`.

    sha256: the content digest, over (uid, caption, status) of the sorted rows.
    statuses: how many rows have each status that occurs.
    written: False where the file already held exactly these rows and was left alone.
    """

    path: Path
    sha256: str
    rows: int
    statuses: dict[str, int]
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
        if self._footer(recipe, shard) is None:
            return None
        path = self.path(recipe, shard)
        try:
            return schema.conform(pl.read_parquet(path, hive_partitioning=False))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _damaged(path) from error

    def plan(self, shard_index: pl.DataFrame, recipe: Recipe, refresh: Refresh = "stale") -> Plan:
        """What captioning the shard of `shard_index` with `recipe` would keep and what it would do.

        Raises:
            UserError: if the stored rows cannot be read or `refresh` is unknown.
            ValueError: if the index rows are of several shards.
        """
        shards = shard_index["shard"].unique().to_list()
        if len(shards) > 1:
            raise ValueError(f"the index rows of {len(shards)} shards; plan one shard at a time")
        stored = self.read(recipe, shards[0]) if shards else None
        return split(shard_index, schema.empty() if stored is None else stored, recipe, refresh)

    def publish(self, recipe: Recipe, shard: str, rows: pl.DataFrame) -> Published:
        """Make `rows` the rows of a shard: all of them or, on a failure, none.

        Raises:
            UserError: if the disk refuses; the old file is then untouched.
            ValueError: if rows are of another style or shard, repeat a uid or have an unknown
            status.
        """
        rows = schema.conform(rows).sort("uid")
        _check(rows, recipe, shard)
        path = self.path(recipe, shard)
        counts = rows["status"].value_counts().sort("status").rows()
        statuses = {str(status): int(count) for status, count in counts}
        content = content_digest(rows, CONTENT)
        footer = {
            "recipe": recipe.digest,
            "content": content,
            "rows": str(rows.height),
            "statuses": json.dumps(statuses),
        }
        written = not self._holds(recipe, shard, footer, rows)
        if written:
            atomic.write_parquet(path, rows, footer)
        return Published(path, content, rows.height, statuses, written)

    def digest(self, recipe: Recipe, shard: str) -> str | None:
        """The content digest of a shard's rows, from the file's footer, or None without a file.

        Raises:
            UserError: as `read`.
        """
        footer = self._footer(recipe, shard)
        return None if footer is None else footer["content"]

    def statuses(self, recipe: Recipe, shard: str) -> dict[str, int] | None:
        """How many rows have each status, from the footer, or None. Raises as `read`."""
        footer = self._footer(recipe, shard)
        return None if footer is None else json.loads(footer["statuses"])

    def _footer(self, recipe: Recipe, shard: str) -> dict[str, str] | None:
        path = self.path(recipe, shard)
        if not path.exists():
            return None
        footer = atomic.read_parquet_metadata(path)
        if not {"recipe", "content", "statuses"} <= footer.keys():
            raise _damaged(path)
        # Twelve digits name the folder; the footer holds all of them.
        if footer["recipe"] != recipe.digest:
            raise UserError(
                f"{path}: holds another recipe's rows; move the file away and run again"
            )
        return footer

    def _holds(
        self, recipe: Recipe, shard: str, footer: dict[str, str], rows: pl.DataFrame
    ) -> bool:
        """Whether the shard's file holds exactly `rows`; a damaged file holds nothing."""
        try:
            old = self._footer(recipe, shard)
            if old is None or any(old.get(key) != value for key, value in footer.items()):
                return False
            stored = self.read(recipe, shard)
        except UserError:
            return False
        return stored is not None and stored.equals(rows)


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
