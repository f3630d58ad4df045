"""Stage `images`: the index of one shard."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recap_assets.captions.quality import not_utf8
from recap_assets.experiment import atomic
from recap_assets.experiment.config import Gate
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import digest
from recap_assets.experiment.project import Project
from recap_assets.images import index
from recap_assets.images.reader import PictureReader
from recap_assets.images.reading import Reading
from recap_assets.images.shard import Shard
from recap_assets.images.sheet import contact_sheet
from recap_assets.stages import foresight, inputs
from recap_assets.stages.memory import remembered
from recap_assets.stages.stage import Check, Key, Markdown, NotReady, Product, Stage, Table, named

NAME = "images"
GATES: tuple[Gate, ...] = ("decode_error_rate", "not_utf8_share")


def keys(project: Project) -> list[Key]:
    """Every shard of the data set."""
    return list(inputs.shards(project))


def source(project: Project, shard: str) -> Shard:
    """Where a shard is read.

    Raises:
        UserError: if the data set has no such shard.
    """
    found = inputs.shards(project)
    if shard not in found:
        raise UserError(f"shard {shard!r}: not in the data set any more; `recap sync` forgets it")
    return found[shard]


def frame(project: Project, shard: str) -> pl.DataFrame:
    """The current index rows of a shard.

    Raises:
        NotReady: if the shard is not indexed as its tar is now.
    """
    return pl.read_parquet(_current_index(project, shard))


def usable(project: Project, shard: str) -> pl.DataFrame:
    """The rows whose picture can be used. Raises as `frame`."""
    return frame(project, shard).filter(pl.col("status") == "ok")


def content(project: Project, shard: str) -> str:
    """The content digest of a shard's index. Raises as `frame`."""
    return _footer(project, shard)["content"]


def pictures(project: Project, shard: str, *, texts: bool) -> str:
    """The digest of the shard's usable pictures, and of their alt-text. Raises as `frame`."""
    return _footer(project, shard)["texts" if texts else "pictures"]


@remembered
def _footer(project: Project, shard: str) -> dict[str, str]:
    """What the current index says of itself."""
    return atomic.read_parquet_metadata(_current_index(project, shard))


@remembered
def _current_index(project: Project, shard: str) -> Path:
    """The file of the current index."""
    if _current(project, shard):
        return project.image_index(shard)
    if (folder := foresight.folder()) is None:
        raise NotReady(f"images[{shard}] is not indexed as its tar is now")
    foreseen = folder / f"{shard}.parquet"
    _refresh(project, shard, foreseen)
    return foreseen


def wanted(project: Project, key: Key) -> str:
    """The shard's stamp and the settings: what the index should be of."""
    tar = source(project, named(key))
    return digest([list(tar.stamp()), _settings(project)])


def made(project: Project, key: Key, version: str) -> bool:
    """Whether the index is of the tar as it is now."""
    return _current(project, named(key))


def seen(project: Project, key: Key) -> bool:
    """Whether the shard was indexed before."""
    return project.image_index(named(key)).exists()


def build(project: Project, key: Key) -> Product:
    """Index the shard unless its tar is as it was."""
    shard = named(key)
    tar = source(project, shard)
    written = _refresh(project, shard, project.image_index(shard))
    rows = pl.read_parquet(project.image_index(shard))
    bad = rows.filter(pl.col("status") == "error")
    return Product(
        version=content(project, shard),
        computed=rows.height if written else 0,
        facts={
            "dagster/partition_row_count": rows.height,
            "usable": rows.filter(pl.col("status") == "ok").height,
            "duplicates": rows.filter(pl.col("status") == "duplicate").height,
            "errors": bad.height,
            "error_rate": bad.height / max(1, rows.height),
            "empty_alt_text": rows.filter(pl.col("alt") == "").height,
            "path": tar.path,
            "pictures": _preview(tar, rows, project.config.dataset.max_pixels),
            "bad_pictures": Table(bad.select("key", "error").head(20)),
        },
        checks=tuple(check(project, shard, name) for name in GATES),
    )


def check(project: Project, shard: str, name: Gate) -> Check:
    """Whether the shard's pictures and alt-text are within the limit of one of `GATES`."""
    rows, gates = frame(project, shard), project.config.gates
    limit: float = getattr(gates, name)
    if name == "decode_error_rate":
        bad = rows.filter(pl.col("status") == "error").height / max(1, rows.height)
        what, cure = "pictures cannot be used", "see the view `quarantine`, mend the tar"
    else:
        bad = not_utf8(rows, project.config.dataset.caption) or 0.0
        what, cure = "alt-texts were not UTF-8", "write them as UTF-8"
    told = f"shard {shard}: {round(bad * rows.height)} of {rows.height} {what}"
    reason = f"{told}, more than gates.{name} = {limit:g}; {cure} or raise the limit"
    return Check(name, {"share": bad}, None if bad <= limit else reason, name in gates.hard)


def _refresh(project: Project, shard: str, path: Path) -> bool:
    """Index the shard into `path` unless that is current; whether it was written."""
    return index.refresh(path, source(project, shard), Reading.of(project.config.dataset))


def _settings(project: Project) -> str:
    return Reading.of(project.config.dataset).digest()


def _current(project: Project, shard: str) -> bool:
    tar, path = source(project, shard), project.image_index(shard)
    return path.exists() and index.is_current(path, tar, _settings(project))


def _preview(tar: Shard, rows: pl.DataFrame, max_pixels: int) -> Markdown | None:
    some = rows.filter(pl.col("status") == "ok").head(16)
    if not some.height:
        return None
    with PictureReader(tar, max_pixels) as reader:
        return Markdown(contact_sheet(list(reader.pictures(some))))


STAGE = Stage(NAME, keys, wanted, made, seen, build)
