"""Which files of a model decide what of it, for every family."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recap_assets.diffusion.families.family import Family
from recap_assets.diffusion.identity import (
    latents_digest,
    texts_digest,
    tokenizer_digest,
)
from recap_assets.experiment.fingerprint import model_digest

Folders = Callable[[str], Path]


def digests(folder: Path) -> dict[str, str]:
    return {
        "model": model_digest(folder),
        "latents": latents_digest(folder),
        "texts": texts_digest(folder, None, "fp32"),
        "tokenizer": tokenizer_digest(folder),
    }


def changed(folder: Path, file: str) -> set[str]:
    """What changes with a byte of the file."""
    before, content = digests(folder), bytearray((folder / file).read_bytes())
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    return {name for name, value in digests(folder).items() if value != before[name]}


def test_each_part_decides_what_depends_on_it(
    name: str, model: Family, folders: Folders, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders(name), tmp_path / "model"))
    weights = "diffusion_pytorch_model.safetensors"
    assert changed(folder, f"vae/{weights}") == {"model", "latents"}
    assert changed(folder, f"{model.denoiser}/{weights}") == {"model"}
    assert changed(folder, "scheduler/scheduler_config.json") == {"model"}
    counted = model.reader(model.modules()).tokenizer
    for part in model.present:
        assert changed(folder, f"{part.encoder}/model.safetensors") == {"model", "texts"}
        also = {"tokenizer"} if part.tokenizer == counted else set()
        assert changed(folder, f"{part.tokenizer}/tokenizer.json") == {"model", "texts"} | also


def test_the_size_of_the_pictures_decides_latents(
    name: str, model: Family, folders: Folders, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders(name), tmp_path / "model"))
    found = {latents_digest(folder, None, size) for size in (None, 8, 24)}
    config = folder / model.denoiser / "config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**told, "sample_size": 4}), encoding="utf-8")
    assert len(found | {latents_digest(folder)}) == 4
    assert latents_digest(folder, None, 8) in found


def test_precision_and_the_empty_prompt_decide_texts(folders: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders("sdxl"), tmp_path / "model"))
    found = {texts_digest(folder, None, precision) for precision in ("fp32", "bf16")}
    index = folder / "model_index.json"
    told = json.loads(index.read_text(encoding="utf-8"))
    index.write_text(json.dumps({**told, "force_zeros_for_empty_prompt": False}), encoding="utf-8")
    assert len(found | {texts_digest(folder, None, "fp32")}) == 3


@pytest.mark.parametrize("of", [tokenizer_digest, latents_digest])
def test_a_hub_model_is_told_by_id_and_revision(of: Callable[..., str]) -> None:
    found = {of("some/model"), of("some/model", "v2"), of("some/other", "v2")}
    assert len(found) == 3 and of("some/model", "v2") == of("some/model", "v2")
    assert texts_digest("some/model", "v2", "fp32") != texts_digest("some/model", "v2", "bf16")
    assert latents_digest("some/model", "v2") != latents_digest("some/model", "v2", 512)
