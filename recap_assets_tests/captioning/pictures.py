"""Pictures and captions small enough to be learnt by heart."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recap_assets.captioning import tiny
from recap_assets.captioning.captioner import Captioner

SIZE = 16
PREFIXES = {"short": "short caption:", "long": "long caption:"}
CAPTIONS = {
    "short": ["a red wall", "a green wall", "a blue wall", "a gray wall"],
    "long": [
        "a wall that is red, and nothing else",
        "everything is green.",
        "a picture of a wall in blue paint",
        "gray",
    ],
}
COLORS = [(220, 30, 30), (30, 160, 60), (40, 80, 220), (128, 128, 128)]


def walls(size: int = SIZE) -> NDArray[np.uint8]:
    """Four plain pictures, uint8 [4, size, size, 3], the captions' own in their order."""
    return np.stack([np.full((size, size, 3), color, np.uint8) for color in COLORS])


def noise(count: int, seed: int = 0, size: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def small(seed: int = 0) -> Captioner:
    """A captioner for 16 pixels with random weights."""
    texts = [*PREFIXES.values(), *CAPTIONS["short"], *CAPTIONS["long"]]
    return tiny.build(
        texts,
        SIZE,
        hidden=32,
        mlp=64,
        heads=2,
        image_layers=2,
        text_layers=2,
        max_tokens=24,
        seed=seed,
    )


def images(pictures: NDArray[np.uint8]) -> list[Image.Image]:
    return [Image.fromarray(picture) for picture in pictures]


def png(picture: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
