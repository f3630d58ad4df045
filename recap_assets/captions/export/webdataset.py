"""Format `webdataset`: a tar per shard with the pictures as they are, and img2dataset's tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from recap_assets.captions.export.about import About, provenance
from recap_assets.captions.export.columns import texts
from recap_assets.captions.export.names import Names, tar_key
from recap_assets.captions.export.selection import EXPORTED, FAILED, UNUSABLE
from recap_assets.captions.export.shard import Pictures, Row, Shard
from recap_assets.experiment import atomic
from recap_assets.images.writer import write_tar

_SLICE = 256


def write(folder: Path, shards: Iterable[Shard], pictures: Pictures, about: About) -> None:
    """Write `<shard>.tar`, `<shard>.parquet` and `<shard>_stats.json` for every shard.

    The tar has the picture, `.txt` with the chosen caption and `.json` with every caption. The
    table also has a row for each picture that failed, which the tar lacks; a shard of which no
    picture is exported has no tar.
    """
    for shard in shards:
        shard = _named(shard)
        exported = shard.where(pl.col("outcome") == EXPORTED)
        if exported.rows.height:
            write_tar(folder / f"{shard.key}.tar", _samples(exported, pictures, about))
        told = shard.where(pl.col("outcome").is_in([EXPORTED, FAILED, UNUSABLE]))
        table = _table(told)
        atomic.write_parquet(folder / f"{shard.key}.parquet", table)
        atomic.write_json(folder / f"{shard.key}_stats.json", _stats(table))


def _named(shard: Shard) -> Shard:
    """The shard with the name that each picture has in the tar, as `name`."""
    names = Names(folded=False)
    exported = shard.rows["outcome"] == EXPORTED
    found = [
        names.take(tar_key(key), uid) if taken else key
        for key, uid, taken in zip(shard.rows["key"], shard.rows["uid"], exported, strict=True)
    ]
    rows = shard.rows.with_columns(pl.Series("name", found, pl.String))
    return Shard(shard.key, rows, shard.captions)


def _samples(shard: Shard, pictures: Pictures, about: About) -> Iterator[dict[str, object]]:
    with pictures(shard.key) as read:
        for part in shard.slices(_SLICE):
            for row, captions in part.entries():
                yield {
                    "__key__": row["name"],
                    row["ext"]: read(row),
                    "txt": row["caption"],
                    "json": _json(row, captions, about),
                }


def _json(row: Row, captions: dict[str, Row], about: About) -> dict[str, Any]:
    # Not `captions.short.caption`: fields named so are taken for people's by `recap init`.
    return {
        "uid": row["uid"],
        "sha256": row["image_sha256"],
        "source_shard": row["shard"],
        "source_key": row["key"],
        "url": row["url"],
        "alt": row["alt"],
        "width": row["width"],
        "height": row["height"],
        "style": row["style"],
        "recaptions": {
            style: provenance(caption, about.recipes[style]) for style, caption in captions.items()
        },
    }


def _table(shard: Shard) -> pl.DataFrame:
    """img2dataset's columns, the uid, and a column per style."""
    inside = pl.col("outcome") == EXPORTED
    reason = pl.when(pl.col("outcome") == UNUSABLE).then("error").otherwise("reason")
    columns = shard.rows.select(
        "url",
        "caption",
        pl.col("name").alias("key"),
        pl.when(inside).then(pl.lit("success")).otherwise(pl.lit("failed")).alias("status"),
        reason.alias("error_message"),
        "width",
        "height",
        pl.col("image_sha256").alias("sha256"),
        "uid",
    )
    return pl.concat([columns, texts(shard)], how="horizontal")


def _stats(table: pl.DataFrame) -> dict[str, Any]:
    failed = table.filter(pl.col("status") == "failed")
    reasons = failed["error_message"].fill_null("unknown").value_counts().rows()
    return {
        "count": table.height,
        "successes": table.height - failed.height,
        "failed": failed.height,
        "status_dict": {str(reason): count for reason, count in sorted(reasons)},
    }
