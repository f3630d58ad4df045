"""Tiny Qwen2-VL, Qwen2.5-VL and Qwen3-VL captioners, with random weights, saved as on the hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random

PATCH = 4
Version = Literal["2", "2.5", "3"]
_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# That of Qwen2.5-VL, without videos and numbered pictures.
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}"
    "{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# One that puts the prompt before the picture, whatever their order in the message.
TEXT_FIRST = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def save(
    folder: Path,
    seed: int = 0,
    scale: float = 1.0,
    shard: str = "5GB",
    ends: Sequence[int] = (),
    version: Version = "2.5",
    template: str = TEMPLATE,
) -> Path:
    """Write a captioner for pictures of 8 to 32 pixels a side.

    shard: the size of a file of weights at the most. ends: more tokens that end a caption.
    The folder is written as on the hub: older models keep the template in chat_template.json.
    """
    words = bpe.byte_level(_SPECIAL)
    tokenizer = Qwen2Tokenizer(
        vocab=words.vocab, merges=words.merges, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    kind, config = _VERSIONS[version]
    model = random(kind, config(words.vocab, len(tokenizer)), seed, scale)
    usual = [words.vocab[token] for token in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.eos_token_id = [*usual, *ends]
    model.generation_config.pad_token_id = words.vocab["<|endoftext|>"]
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
    if version == "3":
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    else:
        text = json.dumps({"chat_template": template})
        (folder / "chat_template.json").write_text(text, encoding="utf-8")
    return folder


def _first(vocab: dict[str, int], size: int) -> Qwen2VLConfig:
    vision = {**_vision(), "embed_dim": 16, "hidden_size": 32, "mlp_ratio": 1}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    return Qwen2VLConfig(
        text_config={**_text(vocab, size), "rope_parameters": rope},
        vision_config={name: vision[name] for name in vision if name != "intermediate_size"},
        **_tokens(vocab),
    )


def image_processor() -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 8 * 8, "longest_edge": 32 * 32},
    )


def _second(vocab: dict[str, int], size: int) -> Qwen2_5_VLConfig:
    vision = {**_vision(), "window_size": 16, "fullatt_block_indexes": [1]}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    return Qwen2_5_VLConfig(
        text_config={**_text(vocab, size), "rope_parameters": rope},
        vision_config=vision,
        **_tokens(vocab),
    )


def _third(vocab: dict[str, int], size: int) -> Qwen3VLConfig:
    vision = {**_vision(), "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}
    rope = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [4, 2, 2],
        "mrope_interleaved": True,
    }
    return Qwen3VLConfig(
        text_config={**_text(vocab, size), "head_dim": 16, "rope_parameters": rope},
        vision_config=vision,
        **_tokens(vocab),
    )


def _text(vocab: dict[str, int], size: int) -> dict[str, Any]:
    return {
        "vocab_size": size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 256,
        "bos_token_id": vocab["<|endoftext|>"],
        "eos_token_id": vocab["<|im_end|>"],
        "pad_token_id": vocab["<|endoftext|>"],
    }


def _vision() -> dict[str, Any]:
    return {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 16,
        "num_heads": 2,
        "patch_size": PATCH,
        "out_hidden_size": 32,
    }


def _tokens(vocab: dict[str, int]) -> dict[str, int]:
    return {
        "image_token_id": vocab["<|image_pad|>"],
        "video_token_id": vocab["<|video_pad|>"],
        "vision_start_token_id": vocab["<|vision_start|>"],
        "vision_end_token_id": vocab["<|vision_end|>"],
    }


_VERSIONS: dict[Version, tuple[Any, Any]] = {
    "2": (Qwen2VLForConditionalGeneration, _first),
    "2.5": (Qwen2_5_VLForConditionalGeneration, _second),
    "3": (Qwen3VLForConditionalGeneration, _third),
}
