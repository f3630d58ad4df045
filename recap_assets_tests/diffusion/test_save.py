"""A saved pipeline is the one that was saved, and does not say where it came from."""

from __future__ import annotations

from pathlib import Path

from recap_assets.diffusion.families.stable_diffusion import StableDiffusion
from recap_assets.diffusion.load import load
from recap_assets.diffusion.save import save
from recap_assets_tests.diffusion.making import same, weights


def test_no_folder_of_this_machine_is_written(
    saved: Path, family: StableDiffusion, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    save(load(saved), folder)
    texts = {file: file.read_text(encoding="utf-8") for file in folder.rglob("*.json")}
    assert {"model_index.json", "config.json"} <= {file.name for file in texts}
    assert not [file for file, text in texts.items() if str(saved.parent) in text]
    assert same(load(folder).pipeline.unet, weights(family.pipeline.unet))
