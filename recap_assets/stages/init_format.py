"""Which format the files of a command line are in, found by looking at them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from recap_assets.experiment.config import Dataset, Table
from recap_assets.experiment.errors import UserError
from recap_assets.images import sources
from recap_assets.images.folder import METADATA, walk
from recap_assets.images.json_stream import elements
from recap_assets.images.locations import File
from recap_assets.images.parquet import opened
from recap_assets.images.parquet_shard import picture_column
from recap_assets.images.sample import PICTURES
from recap_assets.images.table import ADDRESSES, find
from recap_assets.stages.init_urls import locate

#: About as many pictures of a folder become a shard.
A_SHARD = 1000


def recognise(patterns: Sequence[str]) -> Dataset:
    """The data set that patterns relative to the current folder name; its urls are as relative.

    Raises:
        UserError: if nothing matches, or it is a table of addresses without pictures.
    """
    only = patterns[0] if len(patterns) == 1 else ""
    if only and "://" not in only and Path(locate(only)).is_dir():
        return _folder(only)
    if only.lower().endswith(".json"):
        return _coco(only)
    found = sources.expand(list(patterns), locate)
    if all(one.path.suffix.lower() == ".parquet" for one in found):
        return Dataset(source="parquet", urls=tuple(patterns), image=_column(found[0].path))
    return Dataset(urls=tuple(patterns), table=_table(patterns, [one.path for one in found]))


def _folder(pattern: str) -> Dataset:
    """A folder that holds tars or Parquet stands for them; else it is one of pictures."""
    folder = Path(locate(pattern))
    for suffix in (".tar", ".parquet"):
        if any(file.name not in METADATA for file in folder.glob(f"*{suffix}")):
            return recognise([f"{pattern.rstrip('/')}/*{suffix}"])
    pictures = sum(entry.extension in PICTURES for entry in walk(folder))
    return Dataset(
        source="imagefolder", urls=(pattern,), buckets=min(99_999, -(-max(1, pictures) // A_SHARD))
    )


def _coco(pattern: str) -> Dataset:
    path = Path(locate(pattern))
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the name")
    names = (one.get("file_name") for one in elements(path, "images") if isinstance(one, dict))
    pictures, first = 0, ""
    for name in names:
        pictures, first = pictures + 1, first or str(name or "")
    images = next((one for one in _near(path) if first and (one / first).is_file()), None)
    if images is None:
        raise UserError(
            f"{path}: is taken for COCO captions, and {first or 'no image'!r} is in none of the "
            f"folders near it; put the folder of pictures beside the JSON as `images`, or write "
            f"dataset: {{source: coco, urls: ..., images: ...}} yourself"
        )
    return Dataset(
        source="coco", urls=(pattern,), images=str(images), buckets=-(-pictures // A_SHARD)
    )


def _near(path: Path) -> list[Path]:
    """Where the pictures of a COCO JSON usually lie: captions_val2017.json goes with val2017."""
    split = re.sub(r"^(captions|annotations|instances)[_-]?", "", path.stem)
    names = [split, "images", f"images/{split}", "val2017", "train2017", ""]
    return [folder / name for folder in (path.parent, path.parent.parent) for name in names]


def _column(path: File) -> str:
    """The column with the pictures of a Parquet file."""
    with opened(path) as file:
        schema = file.schema_arrow
    found = picture_column(schema)
    if found is None and find(schema.names, None, ADDRESSES):
        raise UserError(
            f"{path}: holds addresses of pictures and no pictures ({', '.join(schema.names[:8])}); "
            f"download them, for example with img2dataset, then `recap init` the tars"
        )
    if found is None:
        raise UserError(
            f"{path}: no column holds pictures ({', '.join(schema.names[:8])}); pictures are "
            f"bytes, or a struct of bytes and path"
        )
    return found


def _table(patterns: Sequence[str], tars: list[File]) -> Table | None:
    """The tables that img2dataset writes beside its tars, named as these."""
    if not all(pattern.endswith(".tar") for pattern in patterns):
        return None
    beside = tars[0].with_suffix(".parquet")
    if not beside.is_file():
        return None
    return Table(urls=tuple(f"{pattern.removesuffix('.tar')}.parquet" for pattern in patterns))
