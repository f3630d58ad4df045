"""Rows of a decoder-only model: read a prompt behind what is cached, then write token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recap_assets.captioning.families.family import Decoding
from recap_assets.captioning.families.padding import Rows

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

    def rows(self, at: torch.Tensor) -> Read:
        """A copy with row `at[r]` as row r, int64 [R]; rows may come several times."""
        from transformers import DynamicCache

        layers = [(layer.keys[at], layer.values[at]) for layer in self.cache.layers]
        return Read(DynamicCache(layers), self.mask[at], self.place[at])


class CausalDecoding(Decoding):
    """Rows behind a prompt; every token is seen by those after it.

    Args:
        prompts: what `Decoding.prompts` says.
        rows: the tokens to read first, left-padded, behind those of `behind`.
        places: their positions, int64 [R, L], or [3, R, L] for models that count in three.
        behind: what the model has read already, for these rows.
        first: what else `model` is to be told with the first tokens.
    """

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        rows: Rows,
        places: torch.Tensor,
        behind: Read | None = None,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        self.prompts = prompts
        self._model = model
        read, self.logits = read_on(model, rows, places, behind, first)
        self._read = read

    def step(self, tokens: torch.Tensor) -> None:
        import torch

        one = Rows(tokens[:, None], torch.ones_like(tokens[:, None]))
        places = self._read.place[:, None]
        self._read, self.logits = read_on(self._model, one, places, self._read)

    def keep(self, rows: torch.Tensor) -> None:
        self._read.cache.batch_select_indices(rows)
        self._read = Read(self._read.cache, self._read.mask[rows], self._read.place[rows])


def read_on(
    model: Any,
    rows: Rows,
    places: torch.Tensor,
    behind: Read | None = None,
    first: Mapping[str, Any] | None = None,
) -> tuple[Read, torch.Tensor]:
    """Read tokens behind what was read, and the logits of each row's next token, [R, V]."""
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
        **(first or {}),
    )
    last = places if places.ndim == 2 else places.amax(0)
    return Read(cache, mask, last.amax(1) + 1), output.logits[:, -1]
