"""The pictures of a shard that are to be captioned, in a form that passes between processes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import uuid4

import polars as pl
from PIL import Image

from recap_assets.images.reader import PictureReader
from recap_assets.images.shard import Shard


@dataclass(frozen=True)
class ShardSource:
    """Index rows of a shard in the order they are asked for; see `question.Source`.

    A process keeps the shard of the last source that it was asked by open, so that parts of one
    source do not open it each time.
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

    def close(self) -> None:
        """Close the shard, where this process has it open."""
        if (reader := _open.pop(self._name, None)) is not None:
            reader.close()

    def _reader(self) -> PictureReader:
        if self._name not in _open:
            while _open:
                _open.popitem()[1].close()
            _open[self._name] = PictureReader(self.shard, self.max_pixels)
        return _open[self._name]


_open: dict[str, PictureReader] = {}
