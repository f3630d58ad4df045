"""Chat vision-language models: a picture's tokens and a prompt in the user's turn, then an answer.

What such models share is here; how each reads pictures, and what stands for them among its tokens,
is in files of their own. The tokens up to the end of the picture are read once for each picture,
and their keys and values serve all styles and candidates (`Turns.head`); where a template puts the
prompt before the picture, only the image encoder's output is shared.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from recap_assets.captioning.families import loading, saving
from recap_assets.captioning.families.causal import CausalDecoding, Read, read_on
from recap_assets.captioning.families.family import Decoding, Family, Inputs, Reader
from recap_assets.captioning.families.kept import Kept
from recap_assets.captioning.families.next_token import nats
from recap_assets.captioning.families.padding import Rows, labels, pad
from recap_assets.captioning.families.turns import Turns, template
from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch


@dataclass
class Seen:
    """What a model has seen of N pictures.

    features: as `get_image_features` of transformers gives them, one tensor a picture.
    tokens: what stands for each picture among the tokens of a question.
    grids: the patches of each picture, for models whose positions follow them, int64 [N, 3].
    read: the head of the questions, if it is the same for all; row n has picture n.
    """

    features: Any
    tokens: list[list[int]]
    grids: torch.Tensor | None = None
    read: Read | None = None


class Chat(Family):
    """Models of `AutoModelForImageTextToText` with a chat template. Memory: `Seen`."""

    text_only: ClassVar[bool] = True

    def __init__(
        self, model: Any, tokenizer: Any, image_processor: Any, turns: Turns, kept: Kept
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.turns = turns
        self.ends = loading.ends(model)
        self.reader = self.reading(image_processor)
        self._kept = kept

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
        return cls(model, tokenizer, pictures, turns, Kept.of(folder))

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
            heads = [self._expand(head, seen, i) for i in range(len(seen.tokens))]
            rows = self._padded(heads, "left")
            places = self._places(rows, seen.grids)
            seen.read, _ = read_on(self.model, rows, places, beside=_shown(seen.features))
        return seen

    def prime(
        self, memory: Seen | None, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        asked = {p: self.turns.asked(p, memory is not None) for p in dict.fromkeys(prompts)}
        rows = [asked[prompt] for prompt in prompts]
        if memory is None or at is None:
            return self._from_start(rows, limit)
        picked = at.tolist()
        whole = [self._expand(row, memory, i) for row, i in zip(rows, picked, strict=True)]
        if memory.read is None or not all(map(self.turns.begins, rows)):
            return self._from_start(whole, limit, memory, picked)
        tails = self._padded([self.turns.tail(row) for row in rows], "left")
        behind = memory.read.rows(at.to(self.device), tails.ids.shape[1] + limit)
        places = behind.place[:, None] + (tails.mask.cumsum(-1) - 1).clamp(min=0)
        read, logits = read_on(self.model, tails, places, behind=behind)
        return CausalDecoding(self.model, whole, read, logits)

    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        seen, picked = self.see(inputs), list(at)
        asked = [self.turns.asked(prompt) for prompt in prompts]
        heads = [self._expand(row, seen, i) for row, i in zip(asked, picked, strict=True)]
        tails = [
            self.turns.answered(c)[: self.room(p)] for p, c in zip(prompts, captions, strict=True)
        ]
        rows = self._padded([[*h, *t] for h, t in zip(heads, tails, strict=True)], "right")
        output = self.model.base_model(
            input_ids=rows.ids,
            attention_mask=rows.mask,
            position_ids=self._places(rows, seen.grids, picked),
            use_cache=False,
            **_shown(seen.features, picked),
        )
        told = labels(rows, [len(head) for head in heads])
        return nats(self.model.get_output_embeddings(), output.last_hidden_state, told)

    def room(self, prompt: str) -> int:
        """What stands for the picture comes off it: how much that is, the picture decides."""
        positions = int(self.model.config.get_text_config().max_position_embeddings)
        return positions - len(self.turns.asked(prompt))

    def save(self, folder: Path, *, half: bool = False) -> None:
        saving.weights(self.model, folder, half=half)
        self._kept.write(folder)

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
        grids, beside = (seen.grids, _shown(seen.features, picked)) if seen else (None, None)
        places = self._places(rows, grids, picked)
        read, logits = read_on(self.model, rows, places, beside=beside)
        return CausalDecoding(self.model, whole, read.with_room(limit), logits)

    def _expand(self, tokens: Sequence[int], seen: Seen, picture: int) -> list[int]:
        """Tokens with all that stands for the picture in the place of its one."""
        place = tokens.index(self._image)
        return [*tokens[:place], *seen.tokens[picture], *tokens[place + 1 :]]

    def _padded(self, rows: Sequence[Sequence[int]], side: Literal["left", "right"]) -> Rows:
        """On the model's device."""
        ids, mask = pad(rows, min(self.ends), side)
        return Rows(ids.to(self.device), mask.to(self.device))

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


def _shown(features: Any, picked: Sequence[int] | None = None) -> dict[str, Any]:
    """The argument by which transformers takes pictures that are encoded already; one a row."""
    if picked is None:
        return {"mm_encoder_outputs": {"image": features}}
    chosen = type(features)(pooler_output=[features.pooler_output[i] for i in picked])
    layers = getattr(features, "deepstack_features", None)
    if layers is not None:
        chosen.deepstack_features = [[layer[i] for i in picked] for layer in layers]
    return {"mm_encoder_outputs": {"image": chosen}}
