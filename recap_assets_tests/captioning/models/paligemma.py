"""Tiny PaliGemma and PaliGemma 2 captioners, with random weights, in folders of their own form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import (
    Gemma2Config,
    GemmaConfig,
    GemmaTokenizer,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    SiglipVisionConfig,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random

SIZE, PATCH = 16, 8
_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<image>")


def save(
    folder: Path,
    seed: int = 0,
    scale: float = 1.0,
    shard: str = "5GB",
    ends: Sequence[int] = (),
    second: bool = False,
) -> Path:
    """Write a captioner for 16 pixels (4 image tokens); `second` is PaliGemma 2, on Gemma 2.

    shard: the size of a file of weights at the most. ends: more tokens that end a caption.
    """
    processor = _processor()
    model = random(PaliGemmaForConditionalGeneration, _config(processor, second), seed, scale)
    model.generation_config.eos_token_id = [processor.tokenizer.eos_token_id, *ends]
    model.save_pretrained(folder, max_shard_size=shard)
    processor.save_pretrained(folder)
    return folder


def _processor() -> Any:
    words = bpe.metaspace(_SPECIAL)
    tokenizer = GemmaTokenizer(vocab=words.vocab, merges=words.merges)
    image_processor = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    image_processor.image_seq_length = (SIZE // PATCH) ** 2
    return PaliGemmaProcessor(image_processor, tokenizer)


def _config(processor: Any, second: bool) -> PaliGemmaConfig:
    size = len(processor.tokenizer)
    shared = {"intermediate_size": 64, "num_attention_heads": 2}
    text: dict[str, Any] = {
        **shared,
        "vocab_size": size,
        "hidden_size": 32,
        "head_dim": 16,
        "num_hidden_layers": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
    }
    vision = {**shared, "hidden_size": 32, "num_hidden_layers": 1}
    return PaliGemmaConfig(
        text_config=Gemma2Config(**text, sliding_window=8) if second else GemmaConfig(**text),
        vision_config=SiglipVisionConfig(
            **vision, image_size=SIZE, patch_size=PATCH, vision_use_head=False
        ),
        image_token_index=processor.image_token_id,
        projection_dim=32,
        hidden_size=32,
        vocab_size=size,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=2,
    )
