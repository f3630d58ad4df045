"""What people wrote of pictures, in the form that a captioner learns from and is held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from PIL import Image

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.families.family import Inputs
from recap_assets.captioning.read import read
from recap_assets.captioning.train import Batch
from recap_assets.experiment.errors import UserError
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.images.decode import DecodeError, decode


class Example(NamedTuple):
    """A caption of the picture with this number, and what the captioner is asked to write it."""

    number: int
    prompt: str
    caption: str


@dataclass(frozen=True)
class Examples:
    """One split of the human set.

    uids, encoded: of each picture; pictures are decoded when they are asked for.
    styles: the examples of each style, none of some perhaps.
    """

    uids: list[str]
    encoded: list[bytes]
    styles: dict[str, list[Example]]

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        """The RGB pictures from number `start` up to `stop`, as a `question.Source`.

        Raises:
            UserError: if one cannot be decoded.
        """
        shown = zip(self.uids[start:stop], self.encoded[start:stop], strict=True)
        return [_picture(uid, image) for uid, image in shown]

    def part(self, start: int, stop: int) -> Examples:
        """These pictures alone, as a `question.Source`."""
        return Examples(self.uids[start:stop], self.encoded[start:stop], {})

    def read(self, captioner: Captioner) -> list[Inputs]:
        """What a captioner reads of each picture; one after the other, for they may be large."""
        return [read(captioner, self(i, i + 1)) for i in range(len(self.uids))]


def select(human: pl.DataFrame, styles: Sequence[str], split: str) -> Examples:
    """The rows of a split in these styles. The order of the rows does not matter."""
    rows = human.filter(pl.col("split") == split, pl.col("style").is_in(list(styles)))
    rows = rows.sort("style", "uid", "caption")
    images = dict(zip(rows["uid"], rows["image"], strict=True))
    number = {uid: i for i, uid in enumerate(images)}
    found: dict[str, list[Example]] = {style: [] for style in styles}
    for style, uid, prompt, text in rows.select("style", "uid", "prompt", "caption").iter_rows():
        found[style].append(Example(number[uid], prompt, text))
    return Examples(list(images), list(images.values()), found)


def batches(captioner: Captioner, examples: Examples, size: int, seed: int) -> Iterator[Batch]:
    """Endless batches that take the styles in turn, each from its own shuffled epochs."""
    streams = [_epochs(rows, seed_of("epochs", seed, s)) for s, rows in examples.styles.items()]
    shown = examples.read(captioner)
    turn = 0
    while True:
        picked = []
        for _ in range(size):
            picked.append(next(streams[turn % len(streams)]))
            turn += 1
        numbers, prompts, texts = zip(*picked, strict=True)
        inputs = captioner.family.reader.collate([shown[number] for number in numbers])
        yield inputs, range(size), prompts, texts


def _picture(uid: str, image: bytes) -> Image.Image:
    try:
        return decode(image)
    except DecodeError as error:
        raise UserError(
            f"human caption of {uid}: its picture {error.reason}; replace it or leave it out"
        ) from error


def _epochs(rows: list[Example], seed: int) -> Iterator[Example]:
    """Every row once in a random order, then again in another, without end."""
    random = np.random.default_rng(seed)
    while True:
        for i in random.permutation(len(rows)):
            yield rows[i]
