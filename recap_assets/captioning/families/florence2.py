"""Florence-2: DaViT, a text encoder that reads the picture's tokens and the prompt, and a decoder.

The prompt is an instruction. A task such as <DETAILED_CAPTION> is the words that the model's own
processor puts in its place; other prompts stay as they are. What the decoder starts from (and the
first token, where the model's generation settings force it) belongs to the prompt, not to the
caption.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from recap_assets.captioning.families import loading, saving
from recap_assets.captioning.families.family import Decoding, Family, Inputs, Memory
from recap_assets.captioning.families.next_token import nats
from recap_assets.captioning.families.padding import lesson, pad
from recap_assets.captioning.families.pixels import PixelReader, Scaling
from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch


class Florence2(Family):
    """`Florence2ForConditionalGeneration`. Memory: the picture's tokens, [N, L, D]."""

    architectures = ("Florence2ForConditionalGeneration",)
    parts = {
        "image_encoder": ("model.vision_tower", "model.multi_modal_projector"),
        "text_decoder": ("model.language_model", "lm_head"),
    }

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.image_processor = processor.image_processor
        self.ends = loading.ends(model)
        self.reader = PixelReader(self.image_processor)
        self._generation = copy.deepcopy(model.generation_config)
        self._generation.forced_eos_token_id = None

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        from transformers import Florence2ForConditionalGeneration, Florence2Processor

        model = loading.weights(Florence2ForConditionalGeneration, folder, settings)
        kind: Any = Florence2Processor
        processor = kind.from_pretrained(folder, backend="pil", **loading.safe(settings))
        loading.check_vocabulary(processor.tokenizer, model)
        return cls(model, processor)

    def encode(self, inputs: Inputs) -> Memory:
        pixels = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        return self.model.get_image_features(pixels).pooler_output

    def prime(
        self, memory: Memory, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        assert at is not None, "Florence-2 answers about pictures only"
        return _Decoding(self.model, self._ask(memory, at.tolist(), prompts), self._start)

    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        tails = self.tokenizer(list(captions), add_special_tokens=False, verbose=False)["input_ids"]
        end = int(self.tokenizer.eos_token_id)
        heads = [self._start] * len(tails)
        rows, labels = lesson(heads, tails, end, self._positions, self._pad, self.device)
        asked = self._ask(self.encode(inputs), at, prompts)
        hidden = self.model.model.language_model.decoder(
            input_ids=rows.ids,
            encoder_hidden_states=asked.states,
            encoder_attention_mask=asked.mask,
        ).last_hidden_state
        return nats(self.model.lm_head, hidden, labels)

    def room(self, prompt: str) -> int:
        """None at all if the text encoder has no place for the prompt beside the picture."""
        read = int(self.image_processor.image_seq_length) + len(self._question(prompt))
        return self._positions - len(self._start) if read <= self._positions else 0

    def save(self, folder: Path, *, half: bool = False) -> None:
        saving.save(self.model, self.processor, folder, half=half)

    @property
    def generation(self) -> Any:
        """The model's own settings, but for a forced end: it would hide that a caption was cut."""
        return self._generation

    def words(self, prompt: str) -> str:
        """What is asked: the processor's words for a task, or else the prompt itself."""
        for task, words in self.processor.task_prompts_with_input.items():
            if prompt.startswith(task):
                return str(words.format(input=prompt.removeprefix(task).strip()))
        return str(self.processor.task_prompts_without_inputs.get(prompt, prompt))

    def _question(self, prompt: str) -> list[int]:
        """The tokens that follow the picture's in the text encoder."""
        tokens = self.tokenizer(self.words(prompt), add_special_tokens=False, verbose=False)
        return [self.tokenizer.bos_token_id, *tokens["input_ids"], self.tokenizer.eos_token_id]

    def _ask(self, memory: torch.Tensor, at: Sequence[int], prompts: Sequence[str]) -> _Asked:
        """The text encoder's output for each row; equal rows are encoded once."""
        import torch

        pairs = list(zip(at, prompts, strict=True))
        number = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        pictures = memory[torch.tensor([picture for picture, _ in number], device=self.device)]
        questions = list(map(cache(self._question), (prompt for _, prompt in number)))
        rows = pad(questions, self._pad, "right")
        text = self.model.get_input_embeddings()(rows.ids.to(self.device))
        seen = torch.ones(pictures.shape[:2], dtype=torch.long)
        mask = torch.cat([seen, rows.mask], 1)
        where = torch.tensor([number[pair] for pair in pairs], device=self.device)
        states = torch.cat([pictures, text], 1)
        asked = _Asked(states, None if mask.all() else mask.to(self.device))
        encoded = self.model.get_encoder()(inputs_embeds=states, attention_mask=asked.mask)
        return asked._replace(states=encoded.last_hidden_state).rows(where)

    @property
    def _start(self) -> list[int]:
        """What the decoder is given before the caption."""
        first = self.generation.forced_bos_token_id
        start = [int(self.generation.decoder_start_token_id)]
        return start if first is None else [*start, int(first)]

    @property
    def _positions(self) -> int:
        return int(self.model.config.text_config.max_position_embeddings)

    @property
    def _pad(self) -> int:
        return int(self.model.config.text_config.pad_token_id)


class _Asked(NamedTuple):
    """Picture and prompt as the text encoder sees them, [R, L, D], and 1 where there is a token.

    mask: None where all prompts have the same length, which costs attention less.
    """

    states: torch.Tensor
    mask: torch.Tensor | None

    def rows(self, at: torch.Tensor) -> _Asked:
        return _Asked(self.states[at], None if self.mask is None else self.mask[at])


class _Decoding(Decoding):
    """Rows of the decoder, each attending to its picture and prompt."""

    def __init__(self, model: Any, asked: _Asked, start: Sequence[int]) -> None:
        import torch
        from transformers import DynamicCache, EncoderDecoderCache

        self.prompts = [start] * len(asked.states)
        self._model, self._asked = model, asked
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self._forward(torch.tensor(self.prompts, device=asked.states.device))

    def step(self, tokens: torch.Tensor) -> None:
        self._forward(tokens[:, None])

    def keep(self, rows: torch.Tensor) -> None:
        self._asked = self._asked.rows(rows)
        self._cache.batch_select_indices(rows)

    def _forward(self, ids: torch.Tensor) -> None:
        hidden = self._model.model.language_model.decoder(
            input_ids=ids,
            encoder_hidden_states=self._asked.states,
            encoder_attention_mask=self._asked.mask,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        self.logits = self._model.lm_head(hidden[:, -1])
