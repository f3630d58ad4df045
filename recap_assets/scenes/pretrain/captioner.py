"""Pre-trains the small captioner on terse, incomplete captions, which tuning builds on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from recap_assets.captioning import tiny
from recap_assets.captioning.read import read
from recap_assets.captioning.train import Batch, train
from recap_assets.experiment.fingerprint import seed as seed_of
from recap_assets.scenes.captions import Form, long, short, terse
from recap_assets.scenes.pretrain.pictures import Pool
from recap_assets.scenes.words import pick

if TYPE_CHECKING:
    from recap_assets.captioning.captioner import Captioner

#: What a note looks like after each prefix. A model that has met prefixes only where they say
#: nothing takes their words as alike, and a small human set cannot tell its styles apart.
PREFIXES: dict[str, Form | None] = {
    "": None,
    "caption:": None,
    "short caption:": "keywords",
    "long caption:": "sentence",
}


def build(pool: Pool) -> Captioner:
    """An untrained BLIP of 1.5 M parameters that knows the words of every style."""
    return tiny.build([*_vocabulary(pool), *PREFIXES])


def pretrain(
    model: Captioner, pool: Pool, steps: int, report: Callable[[int, float], None], seed: int = 2
) -> None:
    """Train in place on pictures of the pool, each time with new terse captions.

    A prefix asks for keywords or for a sentence. What else short and long mean is for the human
    captions to teach.
    """
    batches = _batches(model, pool, 32, seed)
    train(model, batches, lr=1e-3, steps=steps, warmup=200, progress=report)


def _vocabulary(pool: Pool) -> list[str]:
    """The words of every style: the model may know a word without ever having been shown it."""
    found = []
    for index, scene in enumerate(pool.scenes[:4000]):
        rng = random.Random(seed_of("vocabulary", index))
        found += [short(scene, rng), long(scene, rng), terse(scene, rng)]
    return found


def _batches(model: Captioner, pool: Pool, size: int, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng(seed)
    words = random.Random(seed)
    while True:
        rows = np.sort(rng.integers(0, len(pool), size))
        # Two captions a picture: the image encoder, most of the cost, runs once for both.
        prefixes = [pick(words, tuple(PREFIXES)) for _ in range(2 * size)]
        captions = [
            terse(pool.scenes[row], words, PREFIXES[prefix])
            for row, prefix in zip([*rows, *rows], prefixes, strict=True)
        ]
        inputs = read(model, [Image.fromarray(picture) for picture in pool.pixels[rows]])
        yield inputs, [*range(size), *range(size)], prefixes, captions
