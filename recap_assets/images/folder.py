"""What lies in a folder of pictures: files streamed, links and hidden files left where they are."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from recap_assets.experiment.errors import UserError
from recap_assets.images.buckets import bucket
from recap_assets.images.locations import Stamp
from recap_assets.images.sample import PICTURES

SIDECARS = ("txt", "caption", "json")
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


class Entry(NamedTuple):
    """A file by its path below the folder, with forward slashes; `link` if it is one."""

    name: str
    size: int
    mtime_ns: int
    link: bool

    @property
    def extension(self) -> str:
        """In lower case, without the dot."""
        return PurePosixPath(self.name).suffix.lower().removeprefix(".")


@dataclass
class Listing:
    """One look at a folder: the state of each bucket that has pictures, and what was passed over.

    passed_over: files that are not looked at, counted by why.
    """

    stamps: dict[int, Stamp] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)


def walk(root: Path, passed_over: Counter[str] | None = None) -> Iterator[Entry]:
    """Every file below `root` in no order; hidden ones and folders behind links are left out.

    Raises:
        UserError: if a folder cannot be read.
    """
    count = Counter[str]() if passed_over is None else passed_over
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as found:
                for item in found:
                    if item.name.startswith("."):
                        count["hidden"] += 1
                    elif item.is_dir(follow_symlinks=False):
                        folders.append(folder / item.name)
                    elif item.is_symlink() and item.is_dir():
                        count["link to a folder"] += 1
                    else:
                        yield _entry(root, item)
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be read ({error.strerror}); check that the folder exists and is "
                f"yours"
            ) from error


def listing(root: Path, buckets: int) -> Listing:
    """The stamp of each bucket, from names, sizes and times of its pictures and their texts.

    Every metadata file counts for every bucket. No list of files is held.
    """
    seen = Listing()
    sizes: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    common = 0
    for entry in walk(root, seen.passed_over):
        if PurePosixPath(entry.name).name in METADATA:
            common += _number(entry)
        elif entry.extension in PICTURES:
            number = bucket(entry.name, buckets)
            for one in (entry, *sidecars(root, entry.name)):
                # A sum, because the order in which a folder lists its files means nothing.
                sums[number] += _number(one)
                sizes[number] += one.size
    for number in sorted(sums):
        mark = (sums[number] + common) % (1 << 128)
        seen.stamps[number] = Stamp(sizes[number], f"{mark:032x}")
    return seen


def sidecars(root: Path, name: str) -> Iterator[Entry]:
    """The texts of the same name beside a picture."""
    stem = PurePosixPath(name).with_suffix("")
    for extension in SIDECARS:
        try:
            status = os.lstat(root / f"{stem}.{extension}")
        except OSError:
            continue
        yield Entry(f"{stem}.{extension}", status.st_size, status.st_mtime_ns, False)


def _entry(root: Path, item: os.DirEntry[str]) -> Entry:
    status = item.stat(follow_symlinks=False)
    name = Path(item.path).relative_to(root).as_posix()
    return Entry(name, status.st_size, status.st_mtime_ns, item.is_symlink())


def _number(entry: Entry) -> int:
    told = f"{entry.name}\0{entry.size}\0{entry.mtime_ns}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(told).digest()[:16], "big")
