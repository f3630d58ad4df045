"""`recap pretrain`: what it writes loads through the same paths as any model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recap_assets.experiment.errors import UserError
from recap_assets.scenes.draw import draw
from recap_assets.scenes.pretrain.cards import steps
from recap_assets.scenes.pretrain.every import make
from recap_assets.scenes.pretrain.pictures import scenes
from recap_assets.scenes.scene import LABELS
from recap_assets.scenes.split import is_held_out

BUDGET = 12_000_000  # bytes, all base models together


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    told: list[str] = []
    make(folder, None, 0.001, lambda done, total, what: told.append(what))
    assert {what.split(",")[0] for what in told} >= {"autoencoder", "t2i", "captioner", "detector"}
    return folder


@pytest.mark.slow
def test_models_load_like_any_other(made: Path) -> None:
    from recap_assets.captioning.generate import caption
    from recap_assets.captioning.load import load as load_captioner
    from recap_assets.diffusion.load import load as load_t2i
    from recap_assets.diffusion.sample import sample
    from recap_assets.evaluation.detect import Detector
    from recap_assets.evaluation.features import Extractor

    pictures = np.stack([draw(scene) for scene, _ in zip(scenes("test"), range(3), strict=False)])
    shown = [Image.fromarray(picture) for picture in pictures]
    texts = caption(load_captioner(made / "captioner"), shown, {"short": ("short caption:", 8)})
    assert len(texts["short"]) == 3
    drawn = list(sample(load_t2i(made / "t2i"), [("p", "a red ring", 0)], 2, 3.0, 4, 0))
    assert drawn[0].shape == pictures[0].shape and drawn[0].dtype == np.uint8
    detector = Detector.load(made / "detector", threshold=0.0)
    assert {found.label for found in detector.detect(pictures)[0]} <= set(LABELS)
    assert Extractor.load(made / "detector").extract(pictures).shape[0] == 3


@pytest.mark.slow
def test_models_keep_to_their_budget_and_carry_cards(made: Path) -> None:
    files = [path for path in made.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < BUDGET
    weights = {path.suffix for path in files if path.stat().st_size > 200_000}
    assert weights == {".safetensors"}
    for name in ("t2i", "captioner", "detector"):
        card = (made / name / "README.md").read_text(encoding="utf-8")
        assert "pretrain" in card and "steps" in card


@pytest.mark.slow
def test_training_goes_on_from_what_is_there(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "base")
    make(tmp_path / "base", "t2i", 0.001, lambda *_: None, resume=True)
    old, new = made / "t2i", tmp_path / "base" / "t2i"
    assert (steps(old), steps(new)) == (14, 28)
    vae, unet = ("vae/diffusion_pytorch_model", "unet/diffusion_pytorch_model")
    assert _bytes(old, vae) == _bytes(new, vae)
    assert _bytes(old, unet) != _bytes(new, unet)


def _bytes(folder: Path, name: str) -> bytes:
    return (folder / f"{name}.safetensors").read_bytes()


def test_no_base_model_sees_a_held_out_scene() -> None:
    shown = [scene for scene, _ in zip(scenes("pool"), range(300), strict=False)]
    assert not any(is_held_out(scene) for scene in shown)


def test_unknown_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is none"):
        make(tmp_path, "t2x", 0.001, lambda *_: None)
    assert not list(tmp_path.iterdir())
