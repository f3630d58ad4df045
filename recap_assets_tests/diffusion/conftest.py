"""A tiny random text-to-image model: fresh in memory, and saved once in a session."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets_tests.diffusion.making import build


@pytest.fixture
def family() -> StableDiffusion:
    return build()


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to read only."""
    folder = tmp_path_factory.mktemp("model") / "saved"
    build().pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A folder to damage."""
    return Path(shutil.copytree(saved, tmp_path / "model"))
