"""BLIP: a vision transformer, and a text decoder that attends to its output and goes on a prefix.

The prompt is a text prefix such as "short caption:"; the decoder's own start token stands in the
place of the tokenizer's first token, as in `BlipForConditionalGeneration.generate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from recap_assets.captioning.families import loading, saving
from recap_assets.captioning.families.blip_compiled import CompiledDecoder
from recap_assets.captioning.families.blip_grid import GridDecoding
from recap_assets.captioning.families.blip_text import TextDecoding
from recap_assets.captioning.families.blip_vision import fuse
from recap_assets.captioning.families.family import Decoding, Family, Inputs, Memory
from recap_assets.captioning.families.padding import lesson
from recap_assets.captioning.families.pixels import PixelReader, Scaling
from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch


class Blip(Family):
    """`BlipForConditionalGeneration`. Memory: the encoder's output [N, L, D]."""

    architectures = ("BlipForConditionalGeneration",)
    parts = {"image_encoder": ("vision_model",), "text_decoder": ("text_decoder",)}
    goes_on = True

    def __init__(
        self, model: Any, tokenizer: Any, image_processor: Any, *, compile: bool = False
    ) -> None:
        self.model = model
        fuse(model.vision_model)
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.ends = frozenset({int(model.config.text_config.sep_token_id)})
        self.reader = PixelReader(image_processor)
        self._compile = compile
        self._compiled: CompiledDecoder | None = None

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        from transformers import BlipForConditionalGeneration

        model = loading.weights(BlipForConditionalGeneration, folder, settings)
        tokenizer = loading.tokenizer(folder, settings)
        loading.check_vocabulary(tokenizer, model)
        processor = loading.image_processor(folder, settings)
        return cls(model, tokenizer, processor, compile=settings.compile)

    def encode(self, inputs: Inputs) -> Memory:
        scaling = Scaling.of(self.image_processor)
        pixels = scaling(inputs["pixel_values"], self.device)
        return self.model.vision_model(pixels).last_hidden_state

    def prime(
        self, memory: Memory, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        assert at is not None, "BLIP answers about pictures only"
        rows = list(map(cache(self.prefix), prompts))
        if not self._compile:
            return TextDecoding(self.model.text_decoder, memory, at, rows, limit)
        self._compiled = self._compiled or CompiledDecoder(self.model.text_decoder)
        return GridDecoding(self._compiled, memory, at, rows, limit)

    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        import torch

        heads = list(map(cache(self.prefix), prompts))
        tails = self.tokenizer(list(captions), add_special_tokens=False, verbose=False)["input_ids"]
        (end,) = self.ends
        rows, labels = lesson(heads, tails, end, self._positions, self._pad, self.device)
        encoded = self.encode(inputs)
        output = self.model.text_decoder(
            input_ids=rows.ids,
            attention_mask=rows.mask,
            encoder_hidden_states=encoded[torch.tensor(at, device=self.device)],
            labels=labels,
        )
        loss: torch.Tensor = output.loss
        return loss

    def room(self, prompt: str) -> int:
        return self._positions - len(self.prefix(prompt))

    def release(self) -> None:
        if self._compiled is not None:
            self._compiled.release()

    def save(self, folder: Path, *, half: bool = False) -> None:
        from transformers import BlipProcessor

        processor = BlipProcessor(self.image_processor, self.tokenizer)
        saving.save(self.model, processor, folder, half=half)

    @property
    def generation(self) -> Any:
        return self.model.text_decoder.generation_config

    def prefix(self, prompt: str) -> list[int]:
        """The tokens a caption follows; the tokenizer's closing token is dropped."""
        ids = self.tokenizer(prompt)["input_ids"]
        return [int(self.model.config.text_config.bos_token_id), *ids[1:-1]]

    @property
    def _positions(self) -> int:
        return int(self.model.config.text_config.max_position_embeddings)

    @property
    def _pad(self) -> int:
        return int(self.model.config.text_config.pad_token_id)
