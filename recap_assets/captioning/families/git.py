"""GIT: one transformer that reads the picture's tokens and goes on a text prefix after them.

The picture's tokens attend to one another and never to text, so that their keys and values are the
same for every prompt (Wang et al. 2022, figure 3); they are computed with the picture's encoding.
The prompt is a text prefix such as "short caption:" behind the start token, as for BLIP.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from recap_assets.captioning.families import loading, saving
from recap_assets.captioning.families.family import Decoding, Family, Inputs
from recap_assets.captioning.families.next_token import nats
from recap_assets.captioning.families.padding import lesson, pad
from recap_assets.captioning.families.pixels import PixelReader, Scaling
from recap_assets.captioning.families.roomy import roomy
from recap_assets.experiment.captioner_settings import Captioner as Settings

if TYPE_CHECKING:
    import torch

#: The picture's keys and values in each layer, [N, heads, tokens, D / heads] both.
Memory = Sequence[tuple["torch.Tensor", "torch.Tensor"]]


class Git(Family):
    """`GitForCausalLM`, for single pictures."""

    architectures = ("GitForCausalLM",)
    parts = {
        "image_encoder": ("git.image_encoder", "git.visual_projection"),
        "text_decoder": ("git.embeddings", "git.encoder", "output"),
    }
    goes_on = True

    def __init__(self, model: Any, tokenizer: Any, image_processor: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor
        self.ends = loading.ends(model)
        self.reader = PixelReader(image_processor)

    @classmethod
    def load(cls, folder: Path, settings: Settings) -> Self:
        from transformers import GitForCausalLM

        model = loading.weights(GitForCausalLM, folder, settings)
        frames = model.config.num_image_with_embedding
        if frames is not None:
            raise ValueError(f"it describes videos of {frames} frames; use one for pictures")
        tokenizer = loading.tokenizer(folder, settings)
        loading.check_vocabulary(tokenizer, model)
        return cls(model, tokenizer, loading.image_processor(folder, settings))

    def encode(self, inputs: Inputs) -> Memory:
        from transformers import DynamicCache

        git = self.model.git
        pixels = Scaling.of(self.image_processor)(inputs["pixel_values"], self.device)
        seen = git.visual_projection(git.image_encoder(pixels).last_hidden_state)
        cache = DynamicCache()
        git.encoder(seen, past_key_values=cache)
        return [(layer.keys, layer.values) for layer in cache.layers]

    def prime(
        self, memory: Memory, at: torch.Tensor | None, prompts: Sequence[str], limit: int
    ) -> Decoding:
        assert at is not None, "GIT answers about pictures only"
        rows = list(map(cache(self.prefix), prompts))
        kept = roomy(_of_rows(memory, at), max(map(len, rows)) + limit)
        return _Decoding(self.model, kept, rows, self._pad)

    def loss(
        self, inputs: Inputs, at: Sequence[int], prompts: Sequence[str], captions: Sequence[str]
    ) -> torch.Tensor:
        import torch
        from transformers import DynamicCache

        heads = list(map(cache(self.prefix), prompts))
        tails = self.tokenizer(list(captions), add_special_tokens=False, verbose=False)["input_ids"]
        end = int(self.tokenizer.sep_token_id)
        rows, labels = lesson(heads, tails, end, self._positions, self._pad, self.device)
        pictures = DynamicCache(_of_rows(self.encode(inputs), torch.tensor(at)))
        hidden = _read_on(self.model.git, pictures, rows.ids, rows.mask)
        return nats(self.model.output, hidden, labels)

    def room(self, prompt: str) -> int:
        return self._positions - len(self.prefix(prompt))

    def save(self, folder: Path, *, half: bool = False) -> None:
        from transformers import GitProcessor

        processor = GitProcessor(self.image_processor, self.tokenizer)
        saving.save(self.model, processor, folder, half=half)

    def prefix(self, prompt: str) -> list[int]:
        """The tokens a caption follows; the tokenizer's closing token is dropped."""
        ids: list[int] = self.tokenizer(prompt, verbose=False)["input_ids"]
        return ids[:-1]

    @property
    def _positions(self) -> int:
        return int(self.model.config.max_position_embeddings)

    @property
    def _pad(self) -> int:
        return int(self.model.config.pad_token_id)


class _Decoding(Decoding):
    """Rows that go on behind their picture, whose keys and values come first in the cache."""

    def __init__(
        self, model: Any, cache: Any, prompts: Sequence[Sequence[int]], padding: int
    ) -> None:
        self.prompts = prompts
        self._model, self._cache = model, cache
        rows = pad(prompts, padding, "left")
        self._mask = rows.mask.to(model.device)
        self._forward(rows.ids.to(model.device))

    def step(self, tokens: torch.Tensor) -> None:
        import torch.nn.functional as functional

        self._mask = functional.pad(self._mask, (0, 1), value=1)
        self._forward(tokens[:, None])

    def keep(self, rows: torch.Tensor) -> None:
        self._mask = self._mask[rows]
        self._cache.batch_select_indices(rows)

    def _forward(self, ids: torch.Tensor) -> None:
        hidden = _read_on(self._model.git, self._cache, ids, self._mask)
        self.logits = self._model.output(hidden[:, -1])


def _of_rows(memory: Memory, at: torch.Tensor) -> Memory:
    """One row for each of `at`, with its picture's keys and values."""
    where = at.to(memory[0][0].device)
    return [(keys[where], values[where]) for keys, values in memory]


def _read_on(git: Any, cache: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The states of new text tokens, int64 [R, L], behind what is cached, which they join.

    mask: 1 for tokens and 0 for padding, [R, T]: text that is cached already and the new tokens.
    """
    new = ids.shape[1]
    place = (mask.cumsum(-1) - 1).clamp(min=0)[:, -new:]
    seen = cache.get_seq_length() + new - mask.shape[1]
    added = _additive(mask, new, seen, git.dtype)
    output = git(
        input_ids=ids,
        attention_mask=added,
        position_ids=place,
        past_key_values=cache,
        use_cache=True,
    )
    return output.last_hidden_state


def _additive(mask: torch.Tensor, new: int, seen: int, dtype: torch.dtype) -> torch.Tensor:
    """What is added to the attention scores of the last `new` of T text tokens, [R, 1, new,
    seen + T]: they see the `seen` tokens of the picture, and text up to themselves."""
    import torch

    text = mask.shape[1]
    causal = torch.ones(new, seen + text, dtype=torch.bool, device=mask.device).tril(
        seen + text - new
    )
    there = torch.nn.functional.pad(mask.bool(), (seen, 0), value=True)
    hidden = ~(causal & there[:, None])
    added = torch.zeros(hidden.shape, dtype=dtype, device=mask.device)
    return added.masked_fill(hidden, torch.finfo(dtype).min)[:, None]
