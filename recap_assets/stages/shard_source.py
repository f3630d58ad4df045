"""The pictures of a shard that are to be captioned, in a form that passes between processes."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from PIL import Image

from recap_assets.images.reader import PictureReader
from recap_assets.images.shard import Shard


@dataclass(frozen=True)
class ShardSource:
    """The index rows of `rows` in their order; see `question.Source`. Opens the shard anew each
    time, so that every process has a file of its own."""

    shard: Shard
    rows: pl.DataFrame
    max_pixels: int

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        """The RGB pictures from place `start` up to `stop`. Raises as `PictureReader.pictures`."""
        with PictureReader(self.shard, self.max_pixels) as reader:
            return list(reader.pictures(self.rows.slice(start, stop - start)))
