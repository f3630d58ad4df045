"""PaliGemma and PaliGemma 2: a picture's tokens, a prompt, then the caption (Beyer et al. 2024).

Picture and prompt are read as one block in which everything sees everything, so that styles share
what SigLIP and the projector make of a picture, and nothing behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from recap_assets.captioning.families import loading, saving
from recap_assets.captioning.families.causal import read_on
from recap_assets.captioning.families.compiled import decoding
from recap_assets.captioning.families.family import Decoding, Family, Inputs
from recap_assets.captioning.families.kept import Kept
from recap_assets.captioning.families.next_token import nats
from recap_assets.captioning.families.padding import Rows, lesson, pad
from recap_assets.captioning.families.pixels import PixelReader, Scaling
from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch


class PaliGemma(Family):
    """`PaliGemmaForConditionalGeneration`. Memory: a picture's features in text, [N, L, D]."""

    architectures = ("PaliGemmaForConditionalGeneration",)
    parts = {
        "image_encoder": ("model.vision_tower", "model.multi_modal_projector"),
        "text_decoder": ("model.language_model", "lm_head"),
    }

    def __init__(
        self, model: Any, tokenizer: Any, image_processor: Any, kept: Kept, compiled: bool
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.ends = loading.ends(model)
        self.reader = PixelReader(image_processor)
        self._kept = kept
        self._compiled = compiled

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        from transformers import PaliGemmaForConditionalGeneration

        if settings.max_pixels is not None:
            raise ValueError("max_pixels: its pictures have one size; remove the setting")
        model = loading.weights(PaliGemmaForConditionalGeneration, folder, settings)
        tokenizer = loading.tokenizer(folder, settings)
        loading.check_vocabulary(tokenizer, model)
        pictures = loading.image_processor(folder, settings)
        return cls(model, tokenizer, pictures, Kept.of(folder), settings.compile)

    def encode(self, inputs: Inputs) -> torch.Tensor:
        pixels = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        features: torch.Tensor = self.model.get_image_features(pixels).pooler_output
        return features

    def prime(
        self, memory: torch.Tensor, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        import torch

        assert at is not None, "PaliGemma answers about pictures only"
        asked = list(map(cache(self.asked), prompts))
        rows = pad(asked, self._pad, "left").to(self.device)
        block = {"token_type_ids": torch.zeros_like(rows.ids)}
        beside = _shown(memory[at.to(memory.device)]) | block
        read, logits = read_on(self.model, rows, _places(rows), beside=beside)
        read = read.with_room(limit)
        compiled = self._compiled
        return decoding(self.model, asked, read, logits, limit, compiled=compiled)

    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        import torch

        heads = list(map(cache(self.asked), prompts))
        end = int(self.tokenizer.eos_token_id)
        rows, labels = lesson(
            heads, self._text(captions), end, self._positions, self._pad, self.device
        )
        lengths = torch.tensor([len(head) for head in heads], device=self.device)
        own = torch.arange(rows.ids.shape[1], device=self.device) >= lengths[:, None]
        output = self.model.base_model(
            input_ids=rows.ids,
            attention_mask=rows.mask,
            token_type_ids=own.long(),
            position_ids=_places(rows),
            use_cache=False,
            **_shown(self.encode(inputs)[list(at)]),
        )
        return nats(self._logits, output.last_hidden_state, labels)

    def room(self, prompt: str) -> int:
        return self._positions - len(self.asked(prompt))

    def save(self, folder: Path, *, half: bool = False) -> None:
        saving.weights(self.model, folder, half=half)
        self._kept.write(folder)

    def asked(self, prompt: str) -> list[int]:
        """The tokens that a caption follows, as `PaliGemmaProcessor` writes them."""
        config = self.model.config
        picture = [int(config.image_token_id)] * int(config.text_config.num_image_tokens)
        return [*picture, int(self.tokenizer.bos_token_id), *self._text([f"{prompt}\n"])[0]]

    def _text(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokens of text that is only text: a picture's token written in it is none."""
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return ids

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """With the cap of Gemma 2, `cap * tanh(logits / cap)`."""
        import torch

        logits: torch.Tensor = self.model.lm_head(hidden)
        cap = getattr(self.model.config.text_config, "final_logit_softcapping", None)
        return logits if cap is None else cap * torch.tanh(logits / cap)

    @property
    def _pad(self) -> int:
        return int(self.tokenizer.pad_token_id)

    @property
    def _positions(self) -> int:
        return int(self.model.config.text_config.max_position_embeddings)


def _shown(features: torch.Tensor) -> dict[str, Any]:
    """The argument by which transformers takes pictures that are encoded already."""
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=features)}}


def _places(rows: Rows) -> torch.Tensor:
    """The position of each token; PaliGemma counts from 1."""
    return rows.mask.cumsum(-1).clamp(min=1)
