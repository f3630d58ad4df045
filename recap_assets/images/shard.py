"""What every format of a data set offers: shards of samples, streamed or read one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from recap_assets.images.locations import File, Stamp
from recap_assets.images.sample import Sample
from recap_assets.images.table import Table


class Bytes(Protocol):
    """An open shard; it serves one thread."""

    def __call__(self, key: str, offset: int, size: int) -> bytes:
        """The bytes at an index row's place; others, or fewer, if the shard changed."""


class Shard(Protocol):
    """A part of a data set that is indexed and captioned as one; a partition of the graph."""

    @property
    def key(self) -> str:
        """The name of the partition."""

    @property
    def path(self) -> File:
        """Where it lies: a file, or the folder of the pictures."""

    @property
    def table(self) -> Table | None:
        """A table of texts and addresses to add where samples have none."""

    @property
    def example(self) -> str:
        """What a shard of this format holds, for an error that finds nothing in it."""

    def samples(self) -> Iterator[Sample]:
        """Every sample in the shard's order, one in memory at a time.

        Raises:
            UserError: if the shard cannot be read, or is cut or damaged where reading gets to.
        """

    def open(self) -> AbstractContextManager[Bytes]:
        """Open the shard to read pictures by their index rows. Raises as `samples`."""

    def stamp(self) -> Stamp:
        """Size and state of the shard now. Raises UserError if it is missing."""

    def again(self) -> Shard:
        """The shard looked at anew; formats that list a folder keep what they saw."""

    def sha256(self) -> str | None:
        """64 hex digits over its bytes, None where they say too little or cost too much."""
