"""Base models made in seconds: random, but for a captioner that knows when to stop."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

from recap_assets.captioning import save as saving
from recap_assets.captioning import tiny
from recap_assets.captioning.captioner import Captioner
from recap_assets.captioning.read import read
from recap_assets.captioning.train import train
from recap_assets.experiment.quiet import quiet
from recap_assets.scenes.captions import long, short
from recap_assets.scenes.draw import draw
from recap_assets.scenes.pretrain import autoencoder, detector, t2i, vocabulary
from recap_assets.scenes.scene import Scene, sample

PREFIXES = ("short caption:", "long caption:")


def make(folder: Path) -> Path:
    """Write `captioner/`, `t2i/` and `detector/` below `folder`, deterministically."""
    import torch

    torch.manual_seed(0)
    scenes = [sample(seed) for seed in range(24)]
    texts = [*_captions(scenes, short), *_captions(scenes, long)]
    family = t2i.build(autoencoder.build(), vocabulary.tokenizer(texts, t2i.TEXT_LENGTH))
    with quiet():
        family.pipeline.to(torch.float16).save_pretrained(folder / "t2i")
        detector.save(detector.build(), folder / "detector")
    saving.save(_captioner(scenes), folder / "captioner", {"title": "A test's captioner"})
    return folder


def _captions(scenes: list[Scene], say: object) -> list[str]:
    assert callable(say)
    return [say(scene, random.Random(number)) for number, scene in enumerate(scenes)]


def _captioner(scenes: list[Scene]) -> Captioner:
    """Random weights would babble on; a little training makes captions that end."""
    brief = _captions(scenes, short)
    fuller = [f"{text} on {scene.background}" for text, scene in zip(brief, scenes, strict=True)]
    model = tiny.build(
        [*PREFIXES, *brief, *fuller, *_captions(scenes, long)],
        patch=16,
        hidden=32,
        mlp=64,
        heads=2,
        image_layers=1,
        text_layers=1,
    )
    prefixes = [prefix for prefix in PREFIXES for _ in scenes]
    shown = read(model, [Image.fromarray(draw(scene)) for scene in scenes])
    batch = (shown, [*range(len(scenes))] * 2, prefixes, [*brief, *fuller])
    train(model, [batch] * 100, lr=5e-3, steps=100, warmup=10)
    return model
