"""The index of a shard: built sample by sample, published as Parquet, kept current."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.images.locations import Stamp
from recap_assets.images.reading import Reading
from recap_assets.images.row import RowMaker
from recap_assets.images.sample import PICTURES
from recap_assets.images.schema import INDEX
from recap_assets.images.shard import Shard
from recap_assets.images.table import fill

_TOGETHER = 1000
_DEFAULT = Reading()


def build(shard: Shard, reading: Reading = _DEFAULT) -> pl.DataFrame:
    """A row per sample of the shard, in its order, with the columns of `schema.INDEX`.

    A picture that cannot be used and a sample without one give status error with the reason, bytes
    the shard had before give status duplicate. What else is amiss (text that is not UTF-8, a member
    that is a link) is noted in `error` and leaves the status. One picture is held at a time, and of
    the others their rows.

    Raises:
        UserError: if the shard is damaged anywhere, or holds no picture at all.
    """
    frame = pl.concat([pl.DataFrame(schema=INDEX), *_frames(shard, reading)])
    if not (frame["ext"] != "").any():
        reasons = ", ".join(frame["error"].drop_nulls().unique(maintain_order=True).head(3))
        raise UserError(
            f"{shard.path}: holds no picture ({reasons or 'no samples'}); {shard.example} "
            f"(pictures: {', '.join(PICTURES)})"
        )
    return fill(frame, shard.table) if shard.table else frame


def _frames(shard: Shard, reading: Reading) -> Iterator[pl.DataFrame]:
    """Rows as columns, some at a time: they take a tenth of the memory that dicts do."""
    maker = RowMaker(shard.key, reading)
    rows = map(maker.row, shard.samples())
    while some := list(islice(rows, _TOGETHER)):
        yield pl.DataFrame(some, schema=INDEX)


def content_digest(frame: pl.DataFrame) -> str:
    """64 hex digits over the shard's keys, pictures, alt-texts and statuses in any order."""
    return digest(sorted(frame.select("key", "image_sha256", "alt", "status").rows()))


def pictures_digest(frame: pl.DataFrame, texts: bool = False) -> str:
    """64 hex digits over the usable pictures, their keys and addresses; with `texts`, alt-text too.

    What a shard's captions are of: while it is as it was, so are they.
    """
    columns = ("uid", "key", "url", "alt") if texts else ("uid", "key", "url")
    usable = frame.filter(pl.col("status") == "ok").select(columns)
    return digest(sorted(usable.rows(), key=str))


def publish(
    path: Path,
    frame: pl.DataFrame,
    shard: Shard,
    settings: str = "",
    since: Stamp | None = None,
) -> None:
    """Write the index to `path`, with digests of its content and of its shard in the metadata.

    `settings` is the digest of the `Reading` it was built with, `since` the shard's stamp before.

    Raises:
        UserError: if the shard changed since then or while it is read, or the disk refuses.
    """
    since = since or shard.stamp()
    sha256 = shard.sha256()
    if shard.again().stamp() != since:
        raise UserError(
            f"{shard.path}: changed while it was indexed; wait until it is complete and run again"
        )
    metadata = {
        "source_sha256": sha256 or "",
        "source_size": str(since.size),
        "source_mark": since.mark,
        "content": content_digest(frame),
        "pictures": pictures_digest(frame),
        "texts": pictures_digest(frame, texts=True),
        "settings": settings,
    }
    atomic.write_parquet(path, frame, metadata)


def is_current(path: Path, shard: Shard, settings: str = "") -> bool:
    """Whether the index at `path` was built with `settings` from the shard as it is now.

    An equal stamp counts as the same shard; otherwise the bytes of a local file are read and
    decide.

    Raises:
        UserError: if the shard is missing.
    """
    now = shard.stamp()
    try:
        known = atomic.read_parquet_metadata(path)
    except UserError:
        return False
    if known.get("settings") != settings or known.get("source_size") != str(now.size):
        return False
    if known.get("source_mark") == now.mark:
        return True
    sha256 = known.get("source_sha256")
    return bool(sha256) and sha256 == shard.sha256()


def refresh(path: Path, shard: Shard, reading: Reading = _DEFAULT) -> bool:
    """Build and publish the index at `path` unless it is current; True if it was written."""
    settings = reading.digest()
    if is_current(path, shard, settings):
        return False
    since = shard.stamp()
    publish(path, build(shard, reading), shard, settings, since)
    return True
