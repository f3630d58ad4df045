"""The families that one set of tests asks the same of: how to build each, and what transformers'
own classes make of the folder that it is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, Florence2ForConditionalGeneration, GitForCausalLM

from recap_assets_tests.captioning.models import florence2, git

Pictures = Sequence[Image.Image]


@dataclass(frozen=True)
class Kind:
    """A family.

    save: writes a tiny random model into a folder; `wild` are the arguments that make its captions
        differ from picture to picture and end at different steps.
    encoder: the dotted name of the module that every picture goes through once.
    tokens: folder, pictures, prompt, limit -> the caption's tokens by `generate`, end included.
    loss: folder, pictures, prompts, captions -> the loss by the model's own `forward`.
    idle: parts of the names of weights that no caption moves.
    """

    save: Callable[..., Path]
    encoder: str
    tokens: Callable[[Path, Pictures, str, int], list[list[int]]]
    loss: Callable[[Path, Pictures, Sequence[str], Sequence[str]], torch.Tensor]
    wild: dict[str, Any] = field(default_factory=dict)
    idle: tuple[str, ...] = ()


def _git_tokens(folder: Path, pictures: Pictures, prompt: str, limit: int) -> list[list[int]]:
    model, processor = GitForCausalLM.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    inputs = processor(images=list(pictures), text=[prompt] * len(pictures), return_tensors="pt")
    # As the model's documentation has it: the start token, the prompt, and nothing after it.
    ids = inputs["input_ids"][:, :-1]
    out = model.generate(
        pixel_values=inputs["pixel_values"], input_ids=ids, max_new_tokens=limit, do_sample=False
    )
    return _until_end(out[:, ids.shape[1] :], model.generation_config.eos_token_id)


def _git_loss(
    folder: Path, pictures: Pictures, prompts: Sequence[str], captions: Sequence[str]
) -> torch.Tensor:
    model, processor = GitForCausalLM.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    texts = [f"{prompt} {text}" for prompt, text in zip(prompts, captions, strict=True)]
    inputs = processor(images=list(pictures), text=texts, return_tensors="pt", padding=True)
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    for row, prompt in enumerate(prompts):
        labels[row, : len(processor.tokenizer(prompt)["input_ids"]) - 1] = -100
    return model.eval()(**inputs, labels=labels).loss


def _florence_tokens(folder: Path, pictures: Pictures, prompt: str, limit: int) -> list[list[int]]:
    model = Florence2ForConditionalGeneration.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=list(pictures), text=[prompt] * len(pictures), return_tensors="pt")
    # The forced first token is one more; a forced end would hide that a caption was cut.
    out = model.generate(
        **inputs, max_new_tokens=limit + 1, num_beams=1, do_sample=False, forced_eos_token_id=None
    )
    assert (out[:, 0] == model.generation_config.decoder_start_token_id).all()
    assert (out[:, 1] == model.generation_config.forced_bos_token_id).all()
    return _until_end(out[:, 2:], model.generation_config.eos_token_id)


def _florence_loss(
    folder: Path, pictures: Pictures, prompts: Sequence[str], captions: Sequence[str]
) -> torch.Tensor:
    model = Florence2ForConditionalGeneration.from_pretrained(folder)
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=list(pictures), text=list(prompts), return_tensors="pt", padding=True)
    told = processor.tokenizer(list(captions), return_tensors="pt", padding=True)["input_ids"]
    start = torch.full((len(told), 1), model.config.text_config.decoder_start_token_id)
    labels = told.masked_fill(told == processor.tokenizer.pad_token_id, -100)
    labels[:, 0] = -100
    shifted = torch.cat([start, told[:, :-1]], 1)
    return model.eval()(**inputs, decoder_input_ids=shifted, labels=labels).loss


def _until_end(rows: torch.Tensor, end: int) -> list[list[int]]:
    found = [row.tolist() for row in rows]
    return [row[: row.index(end) + 1] if end in row else row for row in found]


KINDS = {
    "git": Kind(
        save=git.save,
        wild={"seed": 0, "scale": 6},
        encoder="git.image_encoder",
        tokens=_git_tokens,
        loss=_git_loss,
    ),
    "florence2": Kind(
        save=florence2.save,
        wild={"seed": 1, "scale": 6, "tied": False},
        encoder="model.vision_tower",
        tokens=_florence_tokens,
        loss=_florence_loss,
    ),
}
