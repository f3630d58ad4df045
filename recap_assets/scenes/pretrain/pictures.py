"""The pool of scenes that base models learn from, disjoint from every project's world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import numpy as np

from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.scenes.draw import draw
from recap_assets.scenes.scene import SIZE, Scene, sample
from recap_assets.scenes.split import is_held_out


@dataclass(frozen=True)
class Pool:
    """Scenes and their pixels, uint8 [N, 64, 64, 3], in the same order."""

    scenes: list[Scene]
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.scenes)


def scenes(purpose: str) -> Iterator[Scene]:
    """Endless scenes of a purpose, without those whose signature is held out for prompts."""
    for index in count():
        scene = sample(seed_of("pretrain", purpose, index))
        if not is_held_out(scene):
            yield scene


def pool(size: int, cache: Path) -> Pool:
    """The first `size` scenes; their pixels are drawn once and kept in the cache folder."""
    chosen = list(islice(scenes("pool"), size))
    file = cache / f"pool-{size}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        pixels = np.empty((size, SIZE, SIZE, 3), np.uint8)
        for row, scene in enumerate(chosen):
            pixels[row] = draw(scene)
        partial = file.with_name(f".{file.name}")
        with partial.open("wb") as handle:
            np.save(handle, pixels)
        partial.replace(file)
    return Pool(chosen, np.load(file, mmap_mode="r"))
