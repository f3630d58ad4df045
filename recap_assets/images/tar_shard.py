"""A webdataset tar as a shard, with the table that may lie beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recap_assets.experiment.fingerprint import digest, file_sha256
from recap_assets.images import tars
from recap_assets.images.locations import File, Stamp, open_file, read_range, stamp_of
from recap_assets.images.sample import Sample
from recap_assets.images.shard import Bytes
from recap_assets.images.table import Table


@dataclass(frozen=True)
class TarShard:
    """One tar; offsets and sizes of its members are its bytes."""

    key: str
    path: File
    table: Table | None = None

    example = "a webdataset tar has members such as 0001.jpg and 0001.txt"

    def samples(self) -> Iterator[Sample]:
        """As `Shard.samples`, grouped as webdataset groups members."""
        return tars.samples(self.path)

    @contextmanager
    def open(self) -> Iterator[Bytes]:
        """As `Shard.open`; only the ranges asked for are read."""
        with open_file(self.path) as file:
            yield lambda key, offset, size: read_range(self.path, file, offset, size)

    def stamp(self) -> Stamp:
        """The tar's size and time, and the state of its table."""
        own = stamp_of(self.path)
        if self.table is None:
            return own
        return Stamp(own.size, digest([own, self.table.stamps()])[:32])

    def again(self) -> TarShard:
        """Itself: nothing is remembered of a tar."""
        return self

    def sha256(self) -> str | None:
        """None for a remote tar, and for one whose rows a table decides too."""
        local = isinstance(self.path, Path) and self.table is None
        return file_sha256(str(self.path)) if local else None
