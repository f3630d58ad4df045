"""A captioner of random weights with something else to say of every picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from recap_assets.captioning.captioner import Captioner
from recap_assets_tests.captioning.pictures import images, small


def lively(seed: int = 3) -> Captioner:
    """Larger weights than those of a new model, or every picture would get the same tokens."""
    captioner = small(seed)
    with torch.no_grad():
        for parameter in captioner.family.model.parameters():
            parameter.mul_(4)
    return captioner


def by_transformers(
    captioner: Captioner, pictures: np.ndarray, prompt: str, limit: int
) -> list[list[int]]:
    """Tokens after the prompt up to the first padding, from `generate` of transformers."""
    family = captioner.family
    ids = family.tokenizer([prompt] * len(pictures), return_tensors="pt")["input_ids"]
    pixels = family.image_processor(images=images(pictures), return_tensors="pt")["pixel_values"]
    output = family.model.generate(
        pixel_values=pixels, input_ids=ids, max_new_tokens=limit, do_sample=False, num_beams=1
    )
    pad = family.tokenizer.pad_token_id
    return [_until(row, pad) for row in output[:, ids.shape[1] - 1 :].tolist()]


def _until(row: Sequence[int], pad: int) -> list[int]:
    return [*row[: list(row).index(pad)]] if pad in row else [*row]
