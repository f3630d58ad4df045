"""One small world on disk, drawn once; tests that write draw their own."""

from __future__ import annotations

import pytest

from recap_assets.experiment.config import World
from recap_assets.scenes.world import WorldFiles, write_world

SMALL = World(seed=5, shards=3, images_per_shard=12, alt_noise=0.5, human_images=6, prompts=40)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, WorldFiles]:
    return SMALL, write_world(SMALL, tmp_path_factory.mktemp("world"))
