"""The shards of a data set in whatever format recap.yaml names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recap_assets.experiment.config import Dataset
from recap_assets.experiment.errors import UserError
from recap_assets.images import coco, folder_shard, sources
from recap_assets.images.parquet_shard import ParquetShard
from recap_assets.images.shard import Shard
from recap_assets.images.table import Table
from recap_assets.images.tar_shard import TarShard

Locate = Callable[[str], str]


def shards(dataset: Dataset, locate: Locate) -> Sequence[Shard]:
    """Every shard, sorted by key. `locate` turns a relative path into one that can be opened.

    Raises:
        UserError: if nothing is found, or a name is wrong; see `sources.expand`.
    """
    if dataset.source == "imagefolder":
        return folder_shard.shards(_one(dataset, locate), dataset.buckets)
    if dataset.source == "coco":
        images = Path(_local(locate(dataset.images or "")))
        return coco.shards(_one(dataset, locate), images, dataset.buckets)
    found = sources.expand(list(dataset.urls), locate)
    if dataset.source == "parquet":
        return [ParquetShard(one.key, one.path, dataset.image) for one in found]
    table = _table(dataset, locate)
    return [TarShard(s.key, s.path, table.beside(s.key) if table else None) for s in found]


def _table(dataset: Dataset, locate: Locate) -> Table | None:
    told = dataset.table
    if told is None:
        return None
    return Table(tuple(sources.paths(told.urls, locate)), told.caption, told.url)


def _one(dataset: Dataset, locate: Locate) -> Path:
    """The folder or file of a format that has one."""
    found = [locate(url) for url in dataset.urls]
    if len(found) != 1:
        raise UserError(
            f"dataset.urls: source {dataset.source} reads one path, not {len(found)}; name one"
        )
    return Path(_local(found[0]))


def _local(located: str) -> str:
    plain = located.removeprefix("file://")
    if "://" in plain:
        raise UserError(
            f"{located}: folders of pictures are read locally; copy or mount it, or pack the "
            f"pictures into tars"
        )
    return plain
