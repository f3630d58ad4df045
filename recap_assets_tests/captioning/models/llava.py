"""Tiny LLaVA and LLaVA-NeXT captioners, with random weights, in folders of their own form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlamaTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random

SIZE, PATCH = 16, 8
PINPOINTS = [[16, 32], [32, 16], [32, 32]]
_SPECIAL = ("<unk>", "<s>", "</s>", "<image>", "<pad>")
# That of llava-1.5, which writes no token at the end of a turn.
TEMPLATE = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ message['role'].upper() + ': '}}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}"
    "{{ '<image>\\n' }}{% endfor %}{% if message['role'] != 'assistant' %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{{ content['text'] + ' '}}{% endfor %}{% else %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def save(
    folder: Path,
    seed: int = 0,
    scale: float = 1.0,
    shard: str = "5GB",
    ends: Sequence[int] = (),
    after: bool = False,
) -> Path:
    """Write a captioner for 16 pixels (4 image tokens); `after` is LLaVA-NeXT, up to 32 pixels.

    shard: the size of a file of weights at the most. ends: more tokens that end a caption.
    """
    tokenizer = _tokenizer()
    config = _config(tokenizer, after)
    kind: Any = LlavaNextForConditionalGeneration if after else LlavaForConditionalGeneration
    model = random(kind, config, seed, scale)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *ends]
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder, max_shard_size=shard)
    _processor(tokenizer, after).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    words = bpe.metaspace(_SPECIAL)
    made = LlamaTokenizer(
        vocab=words.vocab, merges=words.merges, pad_token="<pad>", add_bos_token=True
    )
    made.add_special_tokens({"additional_special_tokens": ["<image>"]})
    return made


def _processor(tokenizer: Any, after: bool) -> Any:
    size = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    settings = {
        "patch_size": PATCH,
        "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1,
        "chat_template": TEMPLATE,
    }
    if after:
        pictures: Any = LlavaNextImageProcessorPil(**size, image_grid_pinpoints=PINPOINTS)
        return LlavaNextProcessor(pictures, tokenizer, **settings)
    return LlavaProcessor(CLIPImageProcessorPil(**size), tokenizer, **settings)


def _config(tokenizer: Any, after: bool) -> Any:
    shared = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    text = LlamaConfig(
        **shared,
        vocab_size=len(tokenizer),
        num_hidden_layers=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(**shared, num_hidden_layers=2, image_size=SIZE, patch_size=PATCH)
    both = {
        "text_config": text,
        "vision_config": vision,
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
    }
    if after:
        return LlavaNextConfig(**both, image_grid_pinpoints=PINPOINTS)
    return LlavaConfig(**both, image_seq_length=(SIZE // PATCH) ** 2)
