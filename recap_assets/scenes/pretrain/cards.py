"""The cards of the base models, which also count the steps that a model has been trained."""

from __future__ import annotations

import re
from pathlib import Path

T2I = """---
library_name: diffusers
pipeline_tag: text-to-image
license: apache-2.0
---

# t2i

A StableDiffusionPipeline for drawn scenes of 64 x 64 pixels: an autoencoder to 8 x 8 x 8 latents, a
UNet and a CLIP text encoder. It was trained from random weights on scenes with web-like alt-text,
part of which says nothing true and none of which counts or places anything, so it draws well and
listens badly: the state that recaptioning starts from. Its pictures are disjoint from every
project's; about one scene in eight, decided by what a caption can say of it, is held out. Made by
`recap pretrain --only t2i`.
"""

CAPTIONER = """---
library_name: transformers
pipeline_tag: image-to-text
license: apache-2.0
---

# captioner

A BLIP captioner for drawn scenes of 64 x 64 pixels, trained from random weights on terse and
incomplete notes such as 'two red rings, square' or 'there is a square on a white background'. The
prefix 'short caption:' asks for keywords, 'long caption:' for a sentence, 'caption:' or none for
either. It knows what is there and does not say all of it. Made by
`recap pretrain --only captioner`.
"""

DETECTOR = """---
library_name: transformers
pipeline_tag: object-detection
license: apache-2.0
---

# detector

An RT-DETR for drawn scenes of 64 x 64 pixels: 36 labels, one for each colour and shape. Half of the
pictures it was trained on are blurred and noisy, as generated ones may be. Its score on real scenes
is the row `real` of every table. Made by `recap pretrain --only detector`.
"""

_STEPS = re.compile(r"^\| steps \| (\d+) \|$", re.MULTILINE)


def write(folder: Path, text: str, steps: int, pictures: int) -> None:
    """Write a model's README.md with how long it was trained."""
    rows = f"| | |\n|---|---|\n| steps | {steps} |\n| pictures | {pictures} |\n"
    (folder / "README.md").write_text(f"{text}\n{rows}", encoding="utf-8", newline="\n")


def steps(folder: Path) -> int:
    """How many steps the model of a folder has been trained, by its card; 0 without one."""
    card = folder / "README.md"
    found = _STEPS.search(card.read_text(encoding="utf-8")) if card.exists() else None
    return int(found[1]) if found else 0
