"""Rows of a decoder-only model: read a prompt behind what is cached, then write token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recap_assets.captioning.families.family import Decoding
from recap_assets.captioning.families.padding import Rows
from recap_assets.captioning.families.roomy import roomy

if TYPE_CHECKING:
    import torch


@dataclass
class Read:
    """What a model has read of R rows.

    cache: their keys and values, of P tokens each. mask: 1 for tokens, 0 for padding, int64 [R, P].
    place: the position of each row's next token, int64 [R].
    """

    cache: Any
    mask: torch.Tensor
    place: torch.Tensor

    def rows(self, at: torch.Tensor, room: int) -> Read:
        """A copy with row `at[r]` as row r, int64 [R], and room for so many tokens more."""
        layers = ((layer.keys[at], layer.values[at]) for layer in self.cache.layers)
        return Read(roomy(layers, room), self.mask[at], self.place[at])

    def with_room(self, room: int) -> Read:
        """The same rows with room for so many tokens more."""
        layers = ((layer.keys, layer.values) for layer in self.cache.layers)
        return Read(roomy(layers, room), self.mask, self.place)


class CausalDecoding(Decoding):
    """Rows that go on behind what was read; every token is seen by those after it.

    prompts: what `Decoding.prompts` says. read, logits: as of `read_on`, with room for the tokens
    to come.
    """

    def __init__(
        self, model: Any, prompts: Sequence[Sequence[int]], read: Read, logits: torch.Tensor
    ) -> None:
        self.prompts = prompts
        self.logits = logits
        self._model, self._read = model, read

    def step(self, tokens: torch.Tensor) -> None:
        import torch

        one = Rows(tokens[:, None], torch.ones_like(tokens[:, None]))
        places = self._read.place[:, None]
        self._read, self.logits = read_on(self._model, one, places, behind=self._read)

    def keep(self, rows: torch.Tensor) -> None:
        read = self._read
        read.cache.batch_select_indices(rows)
        self._read = Read(read.cache, read.mask[rows], read.place[rows])


def within_window(model: Any, tokens: int) -> bool:
    """Whether each of so many tokens sees all before it: no window that slides is shorter."""
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    return window is None or tokens <= int(window)


def read_on(
    model: Any,
    rows: Rows,
    places: torch.Tensor,
    *,
    behind: Read | None = None,
    beside: Mapping[str, Any] | None = None,
) -> tuple[Read, torch.Tensor]:
    """Read tokens behind what was read of the same rows, which they join.

    Args:
        rows: the tokens, left-padded.
        places: their positions, int64 [R, L], or [3, R, L] for models that count in three.
        beside: what else the model is to be told with them.

    Returns:
        What is read then, and the logits of each row's next token, [R, V].
    """
    import torch
    from transformers import DynamicCache

    cache = DynamicCache() if behind is None else behind.cache
    mask = rows.mask if behind is None else torch.cat([behind.mask, rows.mask], 1)
    output = model(
        input_ids=rows.ids,
        attention_mask=mask,
        position_ids=places,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        **(beside or {}),
    )
    last = places if places.ndim == 2 else places.amax(0)
    return Read(cache, mask, last.amax(1) + 1), output.logits[:, -1]
