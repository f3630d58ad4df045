"""Tokenizers, text encoders and autoencoders of a few thousand random weights."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
from diffusers import AutoencoderKL
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from recap_assets.diffusion.families.family import Family
from recap_assets.scenes.pretrain.vocabulary import END, tokenizer

SIZE = 16
LENGTH = 12
CAPTIONS = [
    "two red circles left of a blue square",
    "a green triangle",
    "one yellow star above a red square",
    "three blue circles",
    "a black cross on white",
]
Made = TypeVar("Made", bound=Family)


def seeded(build: Callable[[], Made], seed: int) -> Made:
    """The same `seed` gives the same weights, all of them ready to draw."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        family = build()
    for module in family.modules().values():
        module.eval()
    family.pipeline.set_progress_bar_config(disable=True)
    return family


@cache
def words(pad: str = END) -> CLIPTokenizer:
    """CLIP's, with its end as padding, or with `pad` as SDXL's second tokenizer has "!"."""
    return tokenizer(CAPTIONS, LENGTH, pad=pad, size=600)


def clip(width: int = 16, projected: int | None = None, pad: str = END) -> Any:
    """A text encoder, with a projection to `projected` numbers if that is given."""
    own = words(pad)
    config = CLIPTextConfig(
        vocab_size=len(own),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=own.bos_token_id,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        projection_dim=projected or width,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


@cache
def t5_words() -> T5TokenizerFast:
    """T5's, of whole words."""
    every = sorted({word for caption in CAPTIONS for word in caption.split()})
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5TokenizerFast(
        vocab=pieces + [(f"▁{word}", -3.0) for word in every], extra_ids=0, model_max_length=512
    )


def t5(width: int) -> T5EncoderModel:
    """T5's encoder."""
    return T5EncoderModel(
        T5Config(
            vocab_size=len(t5_words()),
            d_model=width,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=2,
            relative_attention_num_buckets=8,
            feed_forward_proj="gated-gelu",
        )
    )


def autoencoder(**changes: Any) -> AutoencoderKL:
    """From pictures of 16 x 16 pixels to 4 x 8 x 8 numbers, unless `changes` say otherwise."""
    settings: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 2,
        "up_block_types": ("UpDecoderBlock2D",) * 2,
        "block_out_channels": (4, 8),
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 2,
        "sample_size": SIZE,
        "scaling_factor": 0.7,
        "mid_block_add_attention": False,
    }
    return AutoencoderKL(**settings | changes)
