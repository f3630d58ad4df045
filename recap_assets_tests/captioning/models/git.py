"""A tiny GIT with random weights: 16 pixels, 5 tokens of a picture, two layers each."""

from __future__ import annotations

from pathlib import Path

from transformers import BertTokenizer, GitConfig, GitForCausalLM, GitProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from recap_assets.captioning.tiny import vocabulary
from recap_assets_tests.captioning.models.bpe import TEXTS
from recap_assets_tests.captioning.models.weights import random

#: The most tokens of prompt and caption together.
POSITIONS = 256


def save(
    folder: Path,
    seed: int = 0,
    scale: float = 1.0,
    frames: int | None = None,
    shard: str = "5GB",
) -> Path:
    """Write a captioner whose weights are in files of at most `shard`; of videos if `frames`."""
    words = vocabulary(TEXTS, 300)
    model = random(GitForCausalLM, _config(words, frames), seed, scale)
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer = BertTokenizer(vocab=words, model_max_length=POSITIONS)
    # As those of GIT on the hub: the shortest edge is resized, the centre cropped.
    pictures = CLIPImageProcessorPil(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    )
    GitProcessor(pictures, tokenizer).save_pretrained(folder)
    return folder


def _config(words: dict[str, int], frames: int | None) -> GitConfig:
    size = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    return GitConfig(
        vision_config={**size, "image_size": 16, "patch_size": 8},
        vocab_size=len(words),
        max_position_embeddings=POSITIONS,
        bos_token_id=words["[CLS]"],
        eos_token_id=words["[SEP]"],
        pad_token_id=words["[PAD]"],
        num_image_with_embedding=frames,
        **size,
    )
