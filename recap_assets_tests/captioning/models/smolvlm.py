"""A tiny SmolVLM captioner, with random weights, in a folder of its own form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import (
    GPT2Tokenizer,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE

from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random

#: Pixels of a tile's side, of its patches, and the tokens that stand for a tile.
TILE, PATCH, TOKENS = 16, 4, 4
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)),
)


def save(
    folder: Path,
    seed: int = 0,
    scale: float = 1.0,
    shard: str = "5GB",
    ends: Sequence[int] = (),
    idefics: bool = False,
) -> Path:
    """Write a captioner that reads pictures in tiles of 16 pixels, up to 32 pixels a side.

    shard: the size of a file of weights at the most. ends: more tokens that end a caption.
    Its processor is Idefics3's where `idefics`; SmolVLM's own wants torchvision for its videos.
    """
    tokens = tokenizer()
    kind: Any = Idefics3ForConditionalGeneration if idefics else SmolVLMForConditionalGeneration
    model = random(kind, _config(tokens, idefics), seed, scale)
    model.generation_config.eos_token_id = [tokens.eos_token_id, *ends]
    model.generation_config.pad_token_id = tokens.pad_token_id
    model.save_pretrained(folder, max_shard_size=shard)
    tokens.save_pretrained(folder)
    image_processor(idefics).save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(DEFAULT_CHAT_TEMPLATE, encoding="utf-8")
    return folder


def tokenizer() -> Any:
    words = bpe.byte_level(_SPECIAL, 420)
    made = GPT2Tokenizer(
        vocab=words.vocab,
        merges=words.merges,
        eos_token="<end_of_utterance>",
        pad_token="<|im_end|>",
    )
    made.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    return made


def image_processor(idefics: bool = False) -> Any:
    kind: Any = Idefics3ImageProcessorPil if idefics else SmolVLMImageProcessorPil
    return kind(size={"longest_edge": 2 * TILE}, max_image_size={"longest_edge": TILE})


def _config(tokens: Any, idefics: bool) -> Any:
    text = {
        "model_type": "llama",
        "vocab_size": len(tokens),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 256,
        "bos_token_id": tokens.convert_tokens_to_ids("<|im_start|>"),
        "eos_token_id": tokens.eos_token_id,
        "pad_token_id": tokens.pad_token_id,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": TILE,
        "patch_size": PATCH,
    }
    kind: Any = Idefics3Config if idefics else SmolVLMConfig
    return kind(
        text_config=text,
        vision_config=vision,
        scale_factor=2,
        image_token_id=tokens.convert_tokens_to_ids("<image>"),
        pad_token_id=tokens.pad_token_id,
    )
