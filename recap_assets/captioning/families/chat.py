"""Chat vision-language models: a picture's tokens and a prompt in the user's turn, then an answer.

What such models share is here; how each reads pictures, and what stands for them among its tokens,
is in files of their own. The tokens up to the end of the picture are read once for each picture,
and their keys and values serve all styles and candidates (`Turns.head`); where a template puts the
prompt before the picture, only the image encoder's output is shared.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from recap_assets.captioning.families import loading, saving
from recap_assets.captioning.families.causal import Read, read_on, within_window
from recap_assets.captioning.families.compiled import decoding
from recap_assets.captioning.families.family import Decoding, Family, Inputs, Reader
from recap_assets.captioning.families.kept import Kept
from recap_assets.captioning.families.next_token import nats
from recap_assets.captioning.families.padding import Rows, labels, pad
from recap_assets.captioning.families.seen import Seen
from recap_assets.captioning.families.turns import Turns, template
from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch


class Chat(Family):
    """Models of `AutoModelForImageTextToText` with a chat template. Memory: `Seen`."""

    text_only: ClassVar[bool] = True

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        image_processor: Any,
        turns: Turns,
        kept: Kept,
        compiled: bool,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.turns = turns
        self.ends = loading.ends(model)
        self.reader = self.reading(image_processor)
        self._kept = kept
        self._compiled = compiled

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        from transformers import AutoModelForImageTextToText

        model = loading.weights(AutoModelForImageTextToText, folder, settings)
        tokenizer = loading.tokenizer(folder, settings)
        loading.check_vocabulary(tokenizer, model)
        pictures = loading.image_processor(folder, settings)
        if settings.max_pixels is not None:
            cls.limit(pictures, settings.max_pixels)
        words, image = template(folder, tokenizer), int(model.config.image_token_id)
        turns = Turns(tokenizer, words, settings.system, image, loading.ends(model))
        return cls(model, tokenizer, pictures, turns, Kept.of(folder), settings.compile)

    @classmethod
    @abstractmethod
    def limit(cls, image_processor: Any, pixels: int) -> None:
        """Have it make pictures of at most so many pixels.

        Raises:
            ValueError: if it can't.
        """

    @classmethod
    @abstractmethod
    def reading(cls, image_processor: Any) -> Reader:
        """What reads pictures for this model."""

    @abstractmethod
    def see(self, inputs: Inputs) -> Seen:
        """The pictures' features and what stands for them, without `Seen.read`."""

    def encode(self, inputs: Inputs) -> Seen:
        seen, head = self.see(inputs), self.turns.head
        if head is not None:
            heads = [seen.expand(head, self._image, i) for i in range(len(seen.tokens))]
            rows = self._padded(heads, "left")
            places = self._places(rows, seen.grids)
            seen.read, _ = read_on(self.model, rows, places, beside=seen.beside())
        return seen

    def prime(
        self, memory: Seen | None, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        asked = {p: self.turns.asked(p, memory is not None) for p in dict.fromkeys(prompts)}
        rows = [asked[prompt] for prompt in prompts]
        if memory is None or at is None:
            return self._from_start(rows, limit)
        picked = at.tolist()
        whole = [memory.expand(row, self._image, i) for row, i in zip(rows, picked, strict=True)]
        tails = self._padded([self.turns.tail(row) for row in rows], "left")
        room = tails.ids.shape[1] + limit
        if memory.read is None or not self._may_share(memory.read, rows, room):
            return self._from_start(whole, limit, memory, picked)
        behind = memory.read.rows(at.to(self.device), room)
        places = behind.place[:, None] + (tails.mask.cumsum(-1) - 1).clamp(min=0)
        read, logits = read_on(self.model, tails, places, behind=behind)
        return self._decoding(whole, read, logits, limit)

    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        seen, picked = self.see(inputs), list(at)
        asked = map(cache(self.turns.asked), prompts)
        heads = [seen.expand(row, self._image, i) for row, i in zip(asked, picked, strict=True)]
        tails = [
            self.turns.answered(c)[: self.room(p)] for p, c in zip(prompts, captions, strict=True)
        ]
        rows = self._padded([[*h, *t] for h, t in zip(heads, tails, strict=True)], "right")
        output = self.model.base_model(
            input_ids=rows.ids,
            attention_mask=rows.mask,
            position_ids=self._places(rows, seen.grids, picked),
            use_cache=False,
            **seen.beside(picked),
        )
        told = labels(rows, [len(head) for head in heads])
        return nats(self.model.get_output_embeddings(), output.last_hidden_state, told)

    def room(self, prompt: str) -> int:
        """The picture's own tokens come off it too; how many they are, the picture decides."""
        positions = int(self.model.config.get_text_config().max_position_embeddings)
        return positions - len(self.turns.asked(prompt))

    def save(self, folder: Path, *, half: bool = False) -> None:
        saving.weights(self.model, folder, half=half)
        self._kept.write(folder)

    def _may_share(self, read: Read, rows: Sequence[list[int]], room: int) -> bool:
        """Whether rows may go on behind the common head, with padding between the two.

        A window that slides counts tokens by their places in memory, padding included.
        """
        fits = within_window(self.model, read.mask.shape[1] + room)
        return fits and all(map(self.turns.begins, rows))

    def _stands_for(self, features: Any) -> list[list[int]]:
        """One token for each of a picture's features."""
        return [[self._image] * len(picture) for picture in features.pooler_output]

    def _from_start(
        self,
        whole: list[list[int]],
        limit: int,
        seen: Seen | None = None,
        picked: Sequence[int] = (),
    ) -> Decoding:
        """Rows of which nothing was read yet."""
        rows = self._padded(whole, "left")
        grids, beside = (seen.grids, seen.beside(picked)) if seen else (None, None)
        places = self._places(rows, grids, picked)
        read, logits = read_on(self.model, rows, places, beside=beside)
        return self._decoding(whole, read.with_room(limit), logits, limit)

    def _decoding(
        self, whole: list[list[int]], read: Read, logits: torch.Tensor, limit: int
    ) -> Decoding:
        return decoding(self.model, whole, read, logits, limit, compiled=self._compiled)

    def _padded(self, rows: Sequence[Sequence[int]], side: Literal["left", "right"]) -> Rows:
        """On the model's device."""
        return pad(rows, min(self.ends), side).to(self.device)

    def _places(
        self, rows: Rows, grids: torch.Tensor | None = None, picked: Sequence[int] | None = None
    ) -> torch.Tensor:
        """The position of each token; row r has picture `picked[r]`, by default r."""
        if grids is None:
            return (rows.mask.cumsum(-1) - 1).clamp(min=0)
        places: torch.Tensor
        places, _ = self.model.base_model.get_rope_index(
            rows.ids,
            mm_token_type_ids=(rows.ids == self._image).int(),
            image_grid_thw=grids if picked is None else grids[picked],
            attention_mask=rows.mask,
        )
        return places

    @property
    def _image(self) -> int:
        return int(self.model.config.image_token_id)
