"""Decoder-only models compiled: a token is one launch of a graph instead of thousands of kernels.

Graphs are of fixed shapes, and compiling one takes minutes for a large model. So rows are filled up
to a power of two and the room for tokens to a multiple of 128, rows that are done stay in the
graph, and the memory of keys and values is kept from batch to batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from recap_assets.captioning.families.causal import CausalDecoding, Read, within_window
from recap_assets.captioning.families.family import Decoding
from recap_assets.experiment.compiler import compiler

if TYPE_CHECKING:
    import torch

_ROOM = 128
_caches: WeakKeyDictionary[Any, tuple[tuple[int, int], Any]] = WeakKeyDictionary()


def decoding(
    model: Any,
    prompts: Sequence[Sequence[int]],
    read: Read,
    logits: torch.Tensor,
    limit: int,
    *,
    compiled: bool,
) -> Decoding:
    """Rows that go on behind what was read, by at most `limit` tokens; `read` has room for them."""
    # A window that slides has masks of its own.
    if compiled and within_window(model, _room(read, limit)):
        return CompiledDecoding(model, prompts, read, logits, limit)
    return CausalDecoding(model, prompts, read, logits)


class CompiledDecoding(Decoding):
    """Rows that go on behind what was read, by at most `limit` tokens.

    prompts: what `Decoding.prompts` says. logits: of the next token of each row read, [R, V].
    """

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        read: Read,
        logits: torch.Tensor,
        limit: int,
    ) -> None:
        import torch

        self.prompts, self.logits = prompts, logits
        self._model, self._length = model, read.mask.shape[1]
        rows, size = len(prompts), 1 << (len(prompts) - 1).bit_length()
        device = read.mask.device
        #: The row of the graph that each row is.
        self._at = torch.arange(rows, device=device)
        self._mask = torch.zeros((size, _room(read, limit)), dtype=torch.bool, device=device)
        self._mask[:rows, : self._length] = read.mask == 1
        self._mask[rows:, 0] = True
        self._ids = torch.zeros((size, 1), dtype=torch.long, device=device)
        self._place = torch.zeros_like(self._ids)
        self._place[:rows, 0] = read.place
        self._cache = _cache(model, read, size, self._mask.shape[1])

    def step(self, tokens: torch.Tensor) -> None:
        self._ids[self._at, 0] = tokens
        self._mask[:, self._length] = True
        self._length += 1
        step = _compiled(self._ids.device.type)
        mask = self._mask[:, None, None]
        with compiler("compile", "decoding step"):
            logits = step(self._model, self._ids, mask, self._place, self._cache)
        self.logits = logits[self._at]
        self._place += 1

    def keep(self, rows: torch.Tensor) -> None:
        self._at = self._at[rows]


def _room(read: Read, limit: int) -> int:
    """The tokens of what was read and `limit` more, filled up."""
    return -(-(read.mask.shape[1] + limit) // _ROOM) * _ROOM


def _cache(model: Any, read: Read, size: int, room: int) -> Any:
    """What was read in memory of a fixed shape; that of the batch before if it has this shape."""
    from transformers import Cache
    from transformers.cache_utils import StaticLayer

    shape, found = _caches.get(model, ((0, 0), None))
    if found is None or shape != (size, room):
        # Before the new one is there, for both may be more than fits.
        _caches.pop(model, None)
        found = Cache(layers=[StaticLayer(room) for _ in read.cache.layers])
        _caches[model] = ((size, room), found)
    found.reset()
    for number, layer in enumerate(read.cache.layers):
        found.update(_filled(layer.keys, size), _filled(layer.values, size), number)
    return found


def _filled(states: torch.Tensor, size: int) -> torch.Tensor:
    """[R, ...] as [size, ...], the rest zeros."""
    full = states.new_zeros(size, *states.shape[1:])
    full[: len(states)] = states
    return full


@cache
def _compiled(device: str) -> Any:
    import torch

    return torch.compile(_step, mode="reduce-overhead" if device == "cuda" else None)


def _step(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, place: torch.Tensor, cache: Any
) -> torch.Tensor:
    """The logits of the token after each of `ids` [R, 1], [R, V]."""
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=place,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: torch.Tensor = output.logits[:, -1]
    return logits
