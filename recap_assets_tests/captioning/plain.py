"""A source of plain pictures for processes that import little."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from recap_assets.captioning.families.family import Inputs, Reader
from recap_assets.experiment.errors import UserError


@dataclass(frozen=True)
class Plain:
    """Plain pictures of the colours of their places; some are missing. Tells which it opened."""

    first: int
    count: int
    missing: tuple[int, ...] = ()
    log: Path | None = None

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        return [self._one(self.first + place) for place in range(start, stop)]

    def part(self, start: int, stop: int) -> Plain:
        return Plain(self.first + start, stop - start, self.missing, self.log)

    def _one(self, place: int) -> Image.Image:
        if place in self.missing:
            raise UserError(f"picture {place} is gone")
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as log:
                log.write(f"{os.getpid()} {place}\n")
        return Image.new("RGB", (6, 6), (place % 256, place // 256, 0))


class Shrunk(Reader):
    """A reader that needs no model."""

    def __call__(self, picture: Image.Image) -> Inputs:
        return {"pixel_values": np.array(picture.resize((4, 4)))[None]}


class NoSevens(Shrunk):
    """A reader that cannot use one of the pictures."""

    def __call__(self, picture: Image.Image) -> Inputs:
        if picture.getpixel((0, 0)) == (7, 0, 0):
            raise ValueError("a seven\nreally")
        return super().__call__(picture)
