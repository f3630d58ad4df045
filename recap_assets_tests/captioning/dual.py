"""Tiny CLIP and SigLIP models of random weights, saved as their own formats have it."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from recap_assets_tests.captioning.pictures import small

SIZE = 16


def clip(folder: Path, seed: int = 0) -> Path:
    """A CLIP for 16 pixels whose tokenizer knows the captioners' words."""
    tokenizer = small().family.tokenizer
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 12,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    config = CLIPConfig(
        text_config={**_SMALL, **text},
        vision_config={**_SMALL, "image_size": SIZE, "patch_size": 8},
        projection_dim=8,
    )
    sizes = {"size": {"shortest_edge": SIZE}, "crop_size": {"height": SIZE, "width": SIZE}}
    return _save(folder, CLIPModel, config, CLIPImageProcessorPil(**sizes), seed)


def siglip(folder: Path, seed: int = 0) -> Path:
    """A SigLIP for 16 pixels."""
    tokenizer = small().family.tokenizer
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 12, "projection_size": 32}
    config = SiglipConfig(
        text_config={**_SMALL, **text},
        vision_config={**_SMALL, "image_size": SIZE, "patch_size": 8},
    )
    processor = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    return _save(folder, SiglipModel, config, processor, seed)


_SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def _save(folder: Path, kind: type, config: object, processor: object, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = kind(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    small().family.tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)  # type: ignore[attr-defined]
    return folder
