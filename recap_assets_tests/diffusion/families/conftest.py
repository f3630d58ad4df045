"""Each tiny model, fresh in memory and saved once in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.save import save
from recap_assets_tests.diffusion.models.every import EVERY


@pytest.fixture(params=list(EVERY))
def name(request: pytest.FixtureRequest) -> str:
    """Which model."""
    return str(request.param)


@pytest.fixture
def model(name: str) -> Family:
    return EVERY[name]()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model by its name, to read only."""
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            save(EVERY[name](), root / name)
        return root / name

    return folder
