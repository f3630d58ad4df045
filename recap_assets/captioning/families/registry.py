"""Which family serves a model, by the architecture that its config.json names."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from recap_assets.captioning.families.family import Family

_HERE = "recap_assets.captioning.families"
#: Architecture -> module and class; a family is imported when a model of it is loaded.
FAMILIES: dict[str, tuple[str, str]] = {
    "BlipForConditionalGeneration": ("blip", "Blip"),
    "Florence2ForConditionalGeneration": ("florence2", "Florence2"),
    "GitForCausalLM": ("git", "Git"),
    "Idefics3ForConditionalGeneration": ("smolvlm", "SmolVLM"),
    "LlavaForConditionalGeneration": ("llava", "Llava"),
    "LlavaNextForConditionalGeneration": ("llava", "LlavaNext"),
    "PaliGemmaForConditionalGeneration": ("paligemma", "PaliGemma"),
    "Qwen2VLForConditionalGeneration": ("qwen_vl", "QwenVL"),
    "Qwen2_5_VLForConditionalGeneration": ("qwen_vl", "QwenVL"),
    "Qwen3VLForConditionalGeneration": ("qwen_vl", "QwenVL"),
    "SmolVLMForConditionalGeneration": ("smolvlm", "SmolVLM"),
}


def supported(architectures: Iterable[str]) -> str | None:
    """The first of a model's architectures that a family serves."""
    return next((name for name in architectures if name in FAMILIES), None)


def family(architecture: str) -> type[Family]:
    """The class that serves a supported architecture."""
    module, name = FAMILIES[architecture]
    found: type[Family] = getattr(import_module(f"{_HERE}.{module}"), name)
    return found
