"""Tiny Qwen2.5-VL and Qwen3-VL captioners, with random weights, in folders of their own form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random

PATCH = 4
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
    third: bool = False,
    template: str = TEMPLATE,
) -> Path:
    """Write a captioner for pictures of 8 to 32 pixels a side; `third` is Qwen3-VL.

    The folder is written as on the hub: older models keep the template in chat_template.json.
    """
    words = bpe.byte_level(_SPECIAL)
    tokenizer = Qwen2Tokenizer(
        vocab=words.vocab, merges=words.merges, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(_SPECIAL)})
    kind: Any = Qwen3VLForConditionalGeneration if third else Qwen2_5_VLForConditionalGeneration
    config = (_third if third else _second)(words.vocab, len(tokenizer))
    model = random(kind, config, seed, scale)
    model.generation_config.eos_token_id = [words.vocab[t] for t in ("<|im_end|>", "<|endoftext|>")]
    model.generation_config.pad_token_id = words.vocab["<|endoftext|>"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
    if third:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    else:
        text = json.dumps({"chat_template": template})
        (folder / "chat_template.json").write_text(text, encoding="utf-8")
    return folder


def image_processor() -> Qwen2VLImageProcessorPil:
    return Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 8 * 8, "longest_edge": 32 * 32},
    )


def _second(vocab: dict[str, int], size: int) -> Qwen2_5_VLConfig:
    vision = {**_vision(), "window_size": 16, "fullatt_block_indexes": [1]}
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
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
        "mrope_section": [2, 1, 1],
        "mrope_interleaved": True,
    }
    return Qwen3VLConfig(
        text_config={**_text(vocab, size), "head_dim": 8, "rope_parameters": rope},
        vision_config=vision,
        **_tokens(vocab),
    )


def _text(vocab: dict[str, int], size: int) -> dict[str, Any]:
    return {
        "vocab_size": size,
        "hidden_size": 16,
        "intermediate_size": 32,
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
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "patch_size": PATCH,
        "out_hidden_size": 16,
    }


def _tokens(vocab: dict[str, int]) -> dict[str, int]:
    return {
        "image_token_id": vocab["<|image_pad|>"],
        "video_token_id": vocab["<|video_pad|>"],
        "vision_start_token_id": vocab["<|vision_start|>"],
        "vision_end_token_id": vocab["<|vision_end|>"],
    }
