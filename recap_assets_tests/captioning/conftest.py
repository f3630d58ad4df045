"""A captioner that has learnt four pictures by heart in two styles, trained once."""

from __future__ import annotations

import pytest

from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.read import read
from recap_assets.captioning.train import train
from recap_assets_tests.captioning.pictures import CAPTIONS, PREFIXES, images, small, walls


@pytest.fixture(scope="session")
def learnt() -> tuple[Captioner, list[float]]:
    captioner = small()
    batch = (
        read(captioner, images(walls())),
        [*range(4), *range(4)],
        [PREFIXES[style] for style in CAPTIONS for _ in range(4)],
        [text for texts in CAPTIONS.values() for text in texts],
    )
    losses = train(captioner, [batch] * 200, lr=3e-3, steps=200, warmup=10)
    return captioner, losses
