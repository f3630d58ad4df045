"""A folder of pictures as shards: an imagefolder with metadata files, or texts beside pictures."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from recap_assets.experiment.errors import UserError
from recap_assets.images import buckets as hashing
from recap_assets.images.folder import METADATA, Listing, listing, walk
from recap_assets.images.folder_sample import picture, sample
from recap_assets.images.locations import Stamp
from recap_assets.images.metadata import Record, records
from recap_assets.images.sample import PICTURES, Sample
from recap_assets.images.shard import Bytes


@dataclass(frozen=True)
class FolderShard:
    """The pictures below `path` whose paths fall into bucket `number` of `buckets`.

    What metadata files name without there being a picture in that bucket counts to the first one.
    """

    key: str
    path: Path
    number: int
    buckets: int
    seen: Listing = field(repr=False, compare=False)

    table = None
    example = "an imagefolder has files such as a/0001.jpg, with a metadata.jsonl or a/0001.txt"

    def samples(self) -> Iterator[Sample]:
        """As `Shard.samples`, sorted by path; the paths and records of the shard are held."""
        mine = partial(owns, self.seen, self.number, self.buckets)
        names, tables = _files(self.path, mine)
        told = _told(self.path, tables, mine)
        record: Record | None = {} if tables else None
        for name in sorted({*names, *told}):
            yield sample(self.path, name, told.get(name, record))

    @contextmanager
    def open(self) -> Iterator[Bytes]:
        """As `Shard.open`."""
        yield lambda key, offset, size: picture(self.path, key, size)

    def stamp(self) -> Stamp:
        """Names, sizes and times as the folder was listed; a gone bucket is empty."""
        return self.seen.stamps.get(self.number, Stamp(0, ""))

    def again(self) -> FolderShard:
        """The shard in the folder as it is now."""
        return replace(self, seen=listing(self.path, self.buckets))

    def sha256(self) -> str | None:
        """None: reading every picture costs as much as indexing them."""
        return None


def shards(root: Path, buckets: int) -> list[FolderShard]:
    """The shards of a folder, each with at least one picture.

    Raises:
        UserError: if it is no folder, cannot be read or has no pictures.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; name the folder that holds the pictures")
    seen = listing(root, buckets)
    if not seen.stamps:
        raise UserError(f"{root}: holds no picture ({', '.join(PICTURES)}); name another folder")
    return [
        FolderShard(hashing.key(number, buckets), root, number, buckets, seen)
        for number in seen.stamps
    ]


def owns(seen: Listing, number: int, buckets: int, name: str) -> bool:
    """Whether a picture belongs to bucket `number`, where empty buckets fall to the first."""
    own = hashing.bucket(name, buckets)
    return number == (own if own in seen.stamps else min(seen.stamps, default=own))


def _files(root: Path, mine: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """The shard's pictures, and every metadata file."""
    names, tables = [], []
    for entry in walk(root):
        if PurePosixPath(entry.name).name in METADATA and not entry.link:
            tables.append(entry.name)
        elif entry.extension in PICTURES and mine(entry.name):
            names.append(entry.name)
    return names, sorted(tables)


def _told(root: Path, tables: list[str], mine: Callable[[str], bool]) -> dict[str, Record]:
    """The record of each picture of the shard; of several the first counts."""
    found: dict[str, Record] = {}
    for table in tables:
        for name, record in records(root, table):
            plain = name if ".." in name else posixpath.normpath(name)
            if mine(plain):
                found.setdefault(plain, record)
    return found
