"""A tiny Florence-2 with random weights: 16 pixels, 5 tokens of a picture, two layers each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import (
    BartTokenizer,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    GenerationConfig,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from recap_assets_tests.captioning.models import bpe
from recap_assets_tests.captioning.models.weights import random

#: The most tokens of picture and prompt together, and of a caption with what it starts from.
POSITIONS = 256
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_START, _PAD, _END = 0, 1, 2


def save(
    folder: Path, seed: int = 0, scale: float = 1.0, tied: bool = True, shard: str = "5GB"
) -> Path:
    """Write a captioner whose weights are in files of at most `shard`.

    tied: whether tokens are read and written with the same weights, as in the models on the hub.
        Random ones that are tied repeat themselves.
    """
    processor = _processor()
    model = random(Florence2ForConditionalGeneration, _config(processor, tied), seed, scale)
    model.generation_config = _generation()
    model.save_pretrained(folder, max_shard_size=shard)
    processor.save_pretrained(folder)
    return folder


def _processor() -> Any:
    words = bpe.byte_level(_SPECIAL)
    tokenizer = BartTokenizer(
        vocab=words.vocab,
        merges=words.merges,
        extra_special_tokens={"image_token": "<image>"},
        model_max_length=POSITIONS,
    )
    pictures = CLIPImageProcessorPil(
        size={"height": 16, "width": 16}, do_center_crop=False, image_seq_length=5
    )
    return Florence2Processor(pictures, tokenizer)


def _config(processor: Any, tied: bool) -> Florence2Config:
    width = 32
    layers = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in {"layers": 2, "attention_heads": 2, "ffn_dim": 64}.items()
    }
    text = {
        "model_type": "bart",
        "vocab_size": len(processor.tokenizer),
        "d_model": width,
        "max_position_embeddings": POSITIONS,
        "bos_token_id": _START,
        "pad_token_id": _PAD,
        "eos_token_id": _END,
        "decoder_start_token_id": _END,
        **layers,
    }
    vision = {
        "depths": (1, 1),
        "patch_size": (3, 3),
        "patch_stride": (4, 2),
        "patch_padding": (1, 1),
        "patch_prenorm": (False, True),
        "embed_dim": (8, 16),
        "num_heads": (2, 2),
        "num_groups": (2, 2),
        "window_size": 2,
        "max_temporal_embeddings": 4,
        "max_position_embeddings": 4,
        "projection_dim": width,
    }
    return Florence2Config(
        text_config=text,
        vision_config=vision,
        image_token_id=processor.image_token_id,
        tie_word_embeddings=tied,
    )


def _generation() -> GenerationConfig:
    """The settings that Florence-2 has on the hub."""
    return GenerationConfig(
        bos_token_id=_START,
        pad_token_id=_PAD,
        eos_token_id=_END,
        decoder_start_token_id=_END,
        forced_bos_token_id=_START,
        forced_eos_token_id=_END,
        no_repeat_ngram_size=3,
        num_beams=3,
        early_stopping=True,
    )
