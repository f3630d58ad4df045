"""The index of a shard: built from its tar sample by sample, published as Parquet, kept current."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from recap_assets.experiment import atomic
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest, file_sha256
from recap_assets.images.decode import MAX_PIXELS
from recap_assets.images.row import PICTURES, RowMaker
from recap_assets.images.schema import INDEX
from recap_assets.images.sources import ShardSource, open_shard
from recap_assets.images.tars import Member, samples

# Part of every index's settings: raise it when the same tar would give other rows or metadata.
_VERSION = 2


class Stamp(NamedTuple):
    """What tells, without reading it, that a file is as it was."""

    size: int
    mtime_ns: int


def build(
    source: ShardSource,
    caption: str = "txt",
    url: str | None = "json.url",
    max_pixels: int = MAX_PIXELS,
) -> pl.DataFrame:
    """A row per sample of the tar, in its order, with the columns of `schema.INDEX`.

    A picture that cannot be used and a sample without one give status error with the reason, bytes
    the shard had before give status duplicate. What else is amiss (text that is not UTF-8, a member
    that is a link) is noted in `error` and leaves the status. `caption` and `url` are an extension
    or `json.<field>`. One picture is held at a time.

    Raises:
        UserError: if the tar is damaged anywhere, or holds no picture at all.
    """
    maker = RowMaker(source.key, caption, url, max_pixels)
    with open_shard(source.path) as file:
        read = partial(_read, source, file)
        rows = [maker.row(sample, read) for sample in samples(source.path)]
    frame = pl.DataFrame(rows, schema=INDEX)
    if not (frame["ext"] != "").any():
        reasons = ", ".join(frame["error"].drop_nulls().unique(maintain_order=True).head(3))
        raise UserError(
            f"{source.path}: holds no picture ({reasons or 'no samples'}); "
            f"a webdataset tar has members such as 0001.jpg and 0001.txt (pictures: "
            f"{', '.join(PICTURES)})"
        )
    return frame


def settings_digest(
    caption: str = "txt", url: str | None = "json.url", max_pixels: int = MAX_PIXELS
) -> str:
    """64 hex digits that change when `build` would make other rows of the same tar."""
    return digest({"caption": caption, "url": url, "max_pixels": max_pixels, "version": _VERSION})


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


def stamp(source: ShardSource) -> Stamp:
    """The tar's present size and time.

    Raises:
        UserError: if it is missing.
    """
    try:
        status = source.path.stat()
    except OSError as error:
        raise UserError(
            f"{source.path}: cannot be read ({error.strerror}); check that the tar exists"
        ) from error
    return Stamp(status.st_size, status.st_mtime_ns)


def publish(
    path: Path,
    frame: pl.DataFrame,
    source: ShardSource,
    settings: str = "",
    since: Stamp | None = None,
) -> None:
    """Write the index to `path`, with digests of its content and of its tar in the metadata.

    `settings` is the `settings_digest` it was built with, `since` the tar's stamp before that.

    Raises:
        UserError: if the tar changed since then or while it is read, or the disk refuses.
    """
    since = since or stamp(source)
    sha256 = file_sha256(source.path)
    if stamp(source) != since:
        raise UserError(
            f"{source.path}: changed while it was indexed; wait until it is complete and run again"
        )
    metadata = {
        "source_sha256": sha256,
        "source_size": str(since.size),
        "source_mtime_ns": str(since.mtime_ns),
        "content": content_digest(frame),
        "pictures": pictures_digest(frame),
        "texts": pictures_digest(frame, texts=True),
        "settings": settings,
    }
    atomic.write_parquet(path, frame, metadata)


def is_current(path: Path, source: ShardSource, settings: str = "") -> bool:
    """Whether the index at `path` was built with `settings` from the tar as it is now.

    Equal size and time count as the same tar; otherwise its bytes are read and decide.

    Raises:
        UserError: if the tar is missing.
    """
    now = stamp(source)
    try:
        known = atomic.read_parquet_metadata(path)
    except UserError:
        return False
    if known.get("settings") != settings:
        return False
    if (known.get("source_size"), known.get("source_mtime_ns")) == (
        str(now.size),
        str(now.mtime_ns),
    ):
        return True
    return known.get("source_size") == str(now.size) and known.get("source_sha256") == file_sha256(
        source.path
    )


def refresh(
    path: Path,
    source: ShardSource,
    caption: str = "txt",
    url: str | None = "json.url",
    max_pixels: int = MAX_PIXELS,
) -> bool:
    """Build and publish the index at `path` unless it is current; True if it was written."""
    settings = settings_digest(caption, url, max_pixels)
    if is_current(path, source, settings):
        return False
    since = stamp(source)
    publish(path, build(source, caption, url, max_pixels), source, settings, since)
    return True


def _read(source: ShardSource, file: BinaryIO, member: Member) -> bytes:
    file.seek(member.offset)
    data = file.read(member.size)
    if len(data) != member.size:
        raise UserError(
            f"{source.path}: ends inside {member.name!r}; wait until it is complete and run again"
        )
    return data
