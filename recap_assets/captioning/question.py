"""What captioners are asked: the same for local models and endpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from PIL import Image


class Source(Protocol):
    """The pictures of a shard that are to be captioned, by their places.

    Picklable, and fit to be called from several threads at once.
    """

    def __call__(self, start: int, stop: int) -> list[Image.Image]:
        """The RGB pictures from place `start` up to `stop`, in order.

        Raises:
            UserError: if the shard changed since it was indexed.
        """

    def part(self, start: int, stop: int) -> Source:
        """The pictures of these places alone, to be sent to another process."""


@dataclass(frozen=True)
class Question:
    """One style asked of all pictures of a source.

    prompts, seeds: one for each picture. temperature: 0 takes the likeliest token, whatever the
    seed. candidates: how many captions are drawn to keep the best one.
    picture: false asks without the picture, about the prompt's text alone.
    """

    style: str
    prompts: Sequence[str]
    max_tokens: int
    seeds: Sequence[int]
    temperature: float = 0.0
    top_p: float = 1.0
    candidates: int = 1
    picture: bool = True
