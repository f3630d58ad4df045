"""The pictures of a shard that are to be captioned, in a form that passes between processes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from uuid import uuid4

import polars as pl
from PIL import Image

from recap_assets.images.reader import PictureReader
from recap_assets.images.shard import Shard


@dataclass(frozen=True)
class ShardSource:
    """Index rows of a shard in the order they are asked for; see `question.Source`.

    A thread keeps the shard of the source that it read last open, so that parts of one source do
    not open it each time.
    """

    shard: Shard
    rows: pl.DataFrame
    max_pixels: int
    _name: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        """The RGB pictures from place `start` up to `stop`. Raises as `PictureReader.pictures`."""
        return list(self._reader().pictures(self.rows.slice(start, stop - start)))

    def part(self, start: int, stop: int) -> ShardSource:
        """The pictures of these places alone."""
        return replace(self, rows=self.rows.slice(start, stop - start))

    def _reader(self) -> PictureReader:
        if getattr(_open, "name", None) != self._name:
            # The one before is closed with the last that holds it.
            _open.reader = PictureReader(self.shard, self.max_pixels)
            _open.name = self._name
        reader: PictureReader = _open.reader
        return reader


# A reader serves one thread, so every thread has its own.
_open = threading.local()
